"""What history leaves open is measured again, beside the code of accepted runs, and that verdict counts."""

import json
import shutil
import subprocess
from dataclasses import replace

import pytest
from support import ROOT

from pytest_duet.errors import DuetError
