"""Run `household predict` by its old form, `python -m household.predict`."""

from household.__main__ import main_of_old_form

if __name__ == "__main__":
    main_of_old_form("predict", "predict")
