"""The rule language, pure: the rule file and the caret elements, read and written."""
