"""Run `household predict` by its old form, `python -m household.predict`.

A folder, since a module of this name would stand for the function `household.predict` in the docs.
"""

from household.__main__ import main_of_old_form

if __name__ == "__main__":
    main_of_old_form("predict", "predict")
