"""The commands of ``inferometer``; each module is imported when its command runs."""
