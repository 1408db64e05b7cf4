# Forecasts with a model: docker run --rm -v "$PWD:/data" household-predict models/lstm readings.csv
# The context is the root of the repository.
FROM python:3.12-slim AS build
WORKDIR /source
COPY lock/predict.txt lock/
RUN python -m pip install --no-cache-dir --no-compile --require-hashes --target /opt/household -r lock/predict.txt
# Files that a forecast never opens.
RUN cd /opt/household && rm -rf bin pyarrow/include pyarrow/src pyarrow/tests pyarrow/libarrow_flight* pyarrow/_flight* \
    numpy/*/tests

FROM python:3.12-slim
COPY --from=build /opt/household /opt/household
COPY household /opt/household/household
ENV PYTHONPATH=/opt/household PYTHONUNBUFFERED=1
RUN useradd --create-home household
USER household
WORKDIR /data
ENTRYPOINT ["python", "-m", "household", "predict"]
