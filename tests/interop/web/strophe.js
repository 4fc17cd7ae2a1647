// A connection of strophe.js, which tells what happens to it by the function `tell`.

const names = Object.fromEntries(Object.entries(Strophe.Status).map(([name, number]) => [number, name]));
let connection;

function heard(message) {
  const body = message.querySelector("body")?.textContent;
  tell({ event: "message", from: message.getAttribute("from"), body: body ?? "" });
  return true; // to be asked again
}

function logIn(service, jid, password) {
  connection ??= new Strophe.Connection(service, { enableStreamManagement: true });
  connection.connect(jid, password, (status, condition, element) => {
    if (status === Strophe.Status.CONNECTED) {
      connection.addHandler(heard, null, "message");
      if (!connection.hasResumed()) {
        connection.send($pres());
      }
    }
    const reason = condition ?? element?.firstElementChild?.localName ?? "";
    tell({ event: names[status], reason, jid: connection.jid, resumed: connection.hasResumed() });
  });
}

function say(to, body) {
  connection.send($msg({ to, type: "chat" }).c("body").t(body));
}

function isManaged() {
  return connection.isStreamManagementEnabled();
}

function logOut() {
  connection.disconnect("done");
}
