"""Lists what the package can do: `python -m household`."""

COMMANDS = """\
python -m household.predict MODEL READINGS    forecast what comes after given readings
python -m household.watch MODEL FILE          show a meter and its forecast live in the terminal
python -m household.search                    search for better parameters of the training
python -m household.origin MODEL              say which data and code a model came from
python -m household.mend                      put right what a killed DVC left, if need be

MODEL is the folder of a trained model. Each command tells its options with --help.
The pipeline that trains one is `make repro` in the repository."""

if __name__ == "__main__":
    print(COMMANDS)
