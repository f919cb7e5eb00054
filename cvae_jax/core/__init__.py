"""What knows nothing of sound: configs, parts, commands, files, errors."""
