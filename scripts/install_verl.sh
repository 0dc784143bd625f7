#!/bin/sh
# Make an environment for verl with this package in it: sh scripts/install_verl.sh verl-env
# verl 0.9.1 declares older versions of transformers and tensordict than it runs with, hence
# --no-deps and a list of what it imports.
set -eu
venv=$1
pip="$venv/bin/python -m pip install --quiet ${INSTALL_FLAGS:-}"
test -x "$venv/bin/python" || "${PYTHON:-python3}" -m venv "$venv"
$pip -c constraints.txt -e '.[hf,hub,lora]' tensordict==0.15.3 ray==2.60.0 \
  TransferQueue==0.1.11 torchdata==0.11.0 aiohttp cachetools codetiming fastapi orjson pillow \
  pylatexenc uvicorn
$pip --no-deps verl==0.9.1 hydra-core==1.3.8 omegaconf==2.4.0 antlr4-python3-runtime==4.9.3
# verl installs folders of its own under the names of ours.
rm -rf "$venv"/lib/python3*/site-packages/tests "$venv"/lib/python3*/site-packages/scripts
"$venv/bin/python" -W ignore -c 'import baselines.integrations.verl_launch' # verl hides why a plugin fails
