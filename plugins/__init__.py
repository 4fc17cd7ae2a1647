"""The plugins that come with xmppd; each module is one feature. They use xmppd.api and xmppd.wire, nothing else."""
