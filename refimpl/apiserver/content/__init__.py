"""Objects as bytes: the forms clients ask for, and how a server picks one."""
