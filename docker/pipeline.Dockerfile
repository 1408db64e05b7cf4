# The environment of the pipeline, for a clone of the repository:
#   docker build -f docker/pipeline.Dockerfile -t household .
#   docker run --rm -it --user "$(id -u):$(id -g)" -v "$PWD:/project" household   # dvc repro
# The context is the root of the repository.
FROM python:3.12-slim
RUN apt-get update && apt-get install -y --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/* \
    # The mounted clone belongs to a user of the host.
    && git config --system --add safe.directory /project
WORKDIR /environment
COPY lock/run.txt .
RUN python -m pip install --no-cache-dir --require-hashes -r run.txt
WORKDIR /project
# The modules of the clone, and the command `household` with them.
ENV PYTHONPATH=/project
RUN printf '#!/bin/sh\nexec python -m household "$@"\n' > /usr/local/bin/household \
    && chmod +x /usr/local/bin/household
CMD ["dvc", "repro"]
