// A client with xmpp.js: told what to do by lines of JSON on its standard input, it tells by such lines what happens.

import dns from "node:dns";
import { createInterface } from "node:readline";
import { client, xml } from "@xmpp/client";
import WebSocket from "ws";

// Node.js has one of its own from release 22 on, which can't be torn down.
globalThis.WebSocket = WebSocket;

// All names are this machine.
const { lookup } = dns;
dns.lookup = (name, ...rest) => lookup("127.0.0.1", ...rest);

const { agent, software, ...options } = JSON.parse(process.argv[2]);
const userAgent = xml("user-agent", { id: agent }, xml("software", {}, software));
const xmpp = client({ ...options, userAgent });

function tell(event, details = {}) {
  process.stdout.write(JSON.stringify({ event, ...details }) + "\n");
}

xmpp.reconnect.delay = 100;

// It begins to wait for the server's header when its own is written, and misses that of a server that is quick.
const open = xmpp.open;
xmpp.open = (options) => {
  const opened = new Promise((resolve) => xmpp.once("open", resolve));
  return Promise.race([open.call(xmpp, options), opened]);
};

xmpp.on("error", (error) => tell("error", { condition: error.condition ?? error.code ?? String(error) }));
xmpp.on("online", (jid) => tell("online", { jid: String(jid) }));
xmpp.on("disconnect", () => tell("disconnect"));
xmpp.on("nonza", (element) => tell("nonza", { name: element.name, xmlns: element.getNS(), text: String(element) }));
xmpp.streamManagement.on("resumed", () => tell("resumed", { jid: String(xmpp.jid) }));
xmpp.streamManagement.on("ack", (stanza) => tell("ack", { id: stanza.attrs.id }));
xmpp.streamManagement.on("fail", (stanza) => tell("fail", { id: stanza.attrs.id }));
xmpp.on("stanza", (stanza) => {
  if (stanza.name === "message") {
    tell("message", { from: stanza.attrs.from, body: stanza.getChildText("body") });
  }
});

const actions = {
  presence: () => xmpp.send(xml("presence")),
  send: ({ to, id, body }) => xmpp.send(xml("message", { to, id, type: "chat" }, xml("body", {}, body))),
  lose: () => {
    const socket = xmpp.socket.socket ?? xmpp.socket;
    (socket.terminate ?? socket.destroy).call(socket); // of a WebSocket, or of TCP
  },
  stop: () => xmpp.stop(),
};

createInterface({ input: process.stdin }).on("line", async (line) => {
  const { action, ...details } = JSON.parse(line);
  try {
    await actions[action](details);
  } catch (error) {
    tell("failed", { action, reason: String(error) });
  }
});

xmpp.start().catch((error) => tell("error", { condition: error.condition ?? String(error) }));
