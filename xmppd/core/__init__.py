"""The rules of a server: settings, accounts, sessions, routing, plugins. No sockets; time is passed in."""
