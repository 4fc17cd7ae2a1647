// A server that speaks HTTP/2 as Node does (nghttp2): node server.js CERTIFICATE KEY. It prints its port.
//
// /echo answers with what it was sent, /large with a million octets, /refuse does not look at the request once (and answers
// the next), /leave answers after the server has said goodbye: GOAWAY, as in RFC 9113 section 6.8.
import { readFileSync } from "node:fs";
import { constants, createSecureServer } from "node:http2";
import { argv } from "node:process";

const server = createSecureServer({
  cert: readFileSync(argv[2]), key: readFileSync(argv[3]),
  settings: { maxConcurrentStreams: 5, initialWindowSize: 1000 },
});
let sessions = 0, streams = 0, most = 0, refused = false;

server.on("session", () => { sessions += 1; });
server.on("stream", (stream, headers) => {
  const path = headers[":path"];
  most = Math.max(most, ++streams);
  stream.on("close", () => { streams -= 1; });
  stream.on("error", () => {});
  if (path === "/refuse" && !refused) {
    refused = true;
    stream.close(constants.NGHTTP2_REFUSED_STREAM);
    return;
  }
  const chunks = [];
  stream.on("data", (chunk) => chunks.push(chunk));
  stream.on("end", () => {
    const body = Buffer.concat(chunks);
    const answer = () => {
      if (stream.destroyed) return;
      stream.respond({ ":status": 200, "x-asked": headers["x-asked"] ?? "", "x-most": most, "x-sessions": sessions });
      stream.end(path === "/large" ? Buffer.alloc(1_000_000, "x") : body);
    };
    if (path === "/leave") {
      stream.session.goaway(constants.NGHTTP2_NO_ERROR, stream.id);
      setTimeout(answer, 50);
    } else {
      setTimeout(answer, 5);
    }
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
