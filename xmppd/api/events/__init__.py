"""Everything a plugin can filter or observe, one subject a file. A plugin's own events live in the plugin."""
