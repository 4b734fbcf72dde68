# SPDX-License-Identifier: BSD-2-Clause
"""The lab: real Linux sockets in two network namespaces, joined by a path that loses, holds, repeats and forges
segments on either side of a tap. Importable as the package `lab` with tests/ on sys.path."""
