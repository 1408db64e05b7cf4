"""Run `household search` by its old form, `python -m household.search`."""

from household.__main__ import main_of_old_form

if __name__ == "__main__":
    main_of_old_form("search", "search")
