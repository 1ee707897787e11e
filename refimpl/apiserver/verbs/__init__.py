"""What can be done with any resource: one path of create, read, update, patch, delete, list and watch."""
