"""The pages of the console by subject; :mod:`xmppd.plugins.console.pages` says how they are declared."""
