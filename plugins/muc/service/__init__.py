"""The world around rooms: where they are stored, how stanzas get to them, and from them to people."""
