// A server of an app, of Node's web-push, and what decrypts as browsers do, of its http_ece: reads a request in JSON on
// standard input, and prints the answer.
import { createECDH } from "node:crypto";
import { Agent } from "node:https";
import { stdin, stdout } from "node:process";
import ece from "http_ece";
import webpush from "web-push";

// Every server is on this machine.
const agent = new Agent({ lookup: (host, options, answer) =>
  options.all ? answer(null, [{ address: "127.0.0.1", family: 4 }]) : answer(null, "127.0.0.1", 4) });

async function send({ subscription, payload, ttl }) {
  const { publicKey, privateKey } = webpush.generateVAPIDKeys();
  const vapidDetails = { subject: "mailto:admin@example.org", publicKey, privateKey };
  try {
    const { statusCode } = await webpush.sendNotification(subscription, payload, { vapidDetails, TTL: ttl, agent });
    return { status: statusCode };
  } catch (error) {
    if (error.statusCode === undefined) throw error;
    return { status: error.statusCode };
  }
}

function open({ sealed, secret, auth }) {
  const privateKey = createECDH("prime256v1");
  privateKey.setPrivateKey(Buffer.from(secret, "base64url"));
  const plain = ece.decrypt(Buffer.from(sealed, "base64url"), { version: "aes128gcm", privateKey, authSecret: auth });
  return { plain: plain.toString("utf8") };
}

const chunks = [];
for await (const chunk of stdin) chunks.push(chunk);
const asked = JSON.parse(Buffer.concat(chunks).toString("utf8"));
stdout.write(JSON.stringify(asked.sealed === undefined ? await send(asked) : open(asked)));
