"""Files that are uploaded (XEP-0363) to a server that is killed, over connections that are cut."""
