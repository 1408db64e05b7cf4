"""List the commands of the package: `python -m household`."""

COMMANDS = """\
python -m household.predict MODEL READINGS    forecast what comes after given readings
python -m household.watch MODEL FILE          show a meter and its forecast live in the terminal
python -m household.search                    search for better parameters of the training
python -m household.origin MODEL              print which data and code a model came from
python -m household.mend                      repair the records of DVC after it was killed

MODEL is the folder of a saved model. Each command lists its options with --help.
To train a model, run `make repro` in the repository."""

if __name__ == "__main__":
    print(COMMANDS)
