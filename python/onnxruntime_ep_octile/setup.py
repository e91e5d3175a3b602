"""Puts the built libraries, the C header and the default pack into the wheel and names the platform.

In:  build/release (or $OCTILE_BUILD).  Out: what setuptools needs to make the wheel.
Not here: compiling them; everything static is in pyproject.toml.
"""

import os
import pathlib
import shutil

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("OCTILE_BUILD", HERE.parents[1] / "build" / "release"))
ARTIFACTS = ("bin/libonnxruntime_providers_octile.so", "bin/liboctile.so", "bin/octile.h", "bin/octile-default.octpack")
PLATFORM = "manylinux_2_36_x86_64"  # Debian 12's C library, which the library is built against


class BinaryDistribution(Distribution):
    def has_ext_modules(self):
        return True


class BuildWithArtifacts(build_py):
    def find_package_modules(self, package, package_dir):
        return [m for m in super().find_package_modules(package, package_dir) if m[1] != "setup"]

    def run(self):
        super().run()
        for name in ARTIFACTS:
            if not (BUILD / name).is_file():
                raise SystemExit(
                    f"{BUILD / name}: not built; run cmake --build --preset release --target octile_product"
                )
            shutil.copy2(BUILD / name, pathlib.Path(self.build_lib) / "onnxruntime_ep_octile")


class PlatformWheel(bdist_wheel):
    def get_tag(self):
        return "py3", "none", PLATFORM


setup(
    packages=["onnxruntime_ep_octile"],
    package_dir={"onnxruntime_ep_octile": "."},
    distclass=BinaryDistribution,
    cmdclass={"build_py": BuildWithArtifacts, "bdist_wheel": PlatformWheel},
)
