"""The command: files of each format against closed forms and scipy, exit codes, messages."""

import gzip
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy.optimize import linprog

from argrad._command import main

# maximize 3 x + 2 y + z + 5, with a range on r1, an equality, bounds of all kinds.
MPS = """NAME          mixed
OBJSENSE
    MAX
ROWS
 N  profit
 L  r1
 E  r2
 G  r3
COLUMNS
    x  profit  3.0  r1  1.0
    x  r2  1.0
    y  profit  2.0  r1  1.0
    y  r3  1.0
    z  profit  1.0  r2  -1.0
    z  r3  1.0
RHS
    RHS  profit  -5.0
    RHS  r1  4.0  r2  0.5
    RHS  r3  1.0
RANGES
    RNG  r1  3.0
BOUNDS
 UP BND  x  3.0
 MI BND  y
 UP BND  y  2.5
 FX BND  z  1.0
ENDATA
"""

# minimize x^2 + x y + y^2 - x over x + y >= 1, the file's zeros and names in free form.
QPS = """NAME quadratic
ROWS
 N obj
 G row
COLUMNS
 x obj -1.0 row 1.0
 y row 1.0
RHS
 RHS row 1.0
BOUNDS
 FR BND x
 FR BND y
QUADOBJ
 x x 2.0
 x y 1.0
 y y 2.0
ENDATA
"""


@pytest.fixture
def run(tmp_path, capsys):
    """Writes files, runs the command on them; returns the exit code, stdout and stderr."""

    def command(*arguments, **files):
        for name, content in files.items():
            path = tmp_path / name.replace("_", ".")
            path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content)
        given = [str(tmp_path / a[1:]) if a.startswith("@") else a for a in arguments]
        try:
            code = main(given)
        except SystemExit as end:  # of argparse
            code = end.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


def test_mps_is_solved_as_scipy_solves_it(run):
    code, out, _ = run("solve", "@p.mps", "--json", p_mps=MPS)
    found = json.loads(out)
    judge = linprog(
        [-3, -2, -1],
        A_ub=[[1, 1, 0], [-1, -1, 0], [0, -1, -1]],
        b_ub=[4, -1, -1],
        A_eq=[[1, 0, -1]],
        b_eq=[0.5],
        bounds=[(0, 3), (None, 2.5), (1, 1)],
    )
    assert code == 0 and found["status"] == "solved" and found["names"] == ["x", "y", "z"]
    assert found["objective"] == pytest.approx(5 - judge.fun, abs=1e-8)
    assert found["x"] == pytest.approx(judge.x, abs=1e-8)


def test_a_quadratic_program_is_solved_and_its_solution_checked(run, tmp_path):
    # On x + y = 1 the objective is x^2 - 2 x + 1: least at x = 1, y = 0.
    packed = gzip.compress(QPS.encode())
    code, out, _ = run("solve", "@q.qps.gz", "--output", "@s.json", **{"q_qps_gz": packed})
    assert code == 0 and "status      solved" in out and "objective" in out
    written = json.loads((tmp_path / "s.json").read_text())
    assert written["x"] == pytest.approx([1.0, 0.0], abs=1e-8)
    code, out, _ = run("check", "@q.qps.gz", "@s.json")
    assert code == 0 and out.startswith("optimal to")
    # Other points, in the other forms; multipliers are fitted.
    code, out, _ = run("check", "@q.qps.gz", "@t.sol", t_sol="# mine\nx 1.0\ny 0\n")
    assert code == 0 and "objective: 0" in out
    code, out, _ = run("check", "@q.qps.gz", "@t.txt", "--json", t_txt="0.5\n0.5\n")
    found = json.loads(out)
    assert code == 1 and not found["optimal"] and found["objective"] == pytest.approx(0.25)
    worst = max(found["conditions"], key=lambda row: row["relative"])
    assert worst["condition"] == "stationarity"
    code, out, _ = run("check", "@q.qps.gz", "@u.json", u_json='{"x": {"x": 0.4, "y": 0.4}}')
    assert code == 1 and out.startswith("infeasible by")


# CBF by hand: each with its optimal value.
CBF = {
    # minimize <I, X>, X_01 = 1 (as 2 X_01 = 2), X psd: trace 2.
    "trace": ("VER 1|PSDVAR 1 2|CON 1 1|L= 1|OBJFCOORD 2|0 0 0 1|0 1 1 1|"
              "FCOORD 1|0 0 1 0 1|BCOORD 1|0 -2", 2.0),
    # minimize x0 + x1 where [[x0, 2], [2, x1]] is psd: 4.
    "matrix": ("VER 1|VAR 2 1|F 2|PSDCON 1 2|OBJACOORD 2|0 1|1 1|HCOORD 2|0 0 0 0 1|0 1 1 1 1|"
               "DCOORD 1|0 1 0 2", 4.0),
    # maximize -t, t >= |(3, 4)|, plus 1: -4.
    "norm": ("VER 3|OBJSENSE MAX|VAR 1 1|F 1|CON 3 1|Q 3|OBJACOORD 1|0 -1|OBJBCOORD 1|"
             "ACOORD 1|0 0 1|BCOORD 2|1 3|2 4", -4.0),
    # minimize u + v, 2 u v >= w^2, w = 3: u = v = 3 / sqrt 2.
    "rotated": ("VER 1|VAR 3 1|QR 3|CON 1 1|L= 1|OBJACOORD 2|0 1|1 1|ACOORD 1|0 2 1|BCOORD 1|0 -3",
                3 * np.sqrt(2)),
    # minimize z, z >= exp(x) with y = 1, x >= 2: exp(2).
    "exponential": ("VER 3|VAR 3 1|EXP 3|CON 2 2|L= 1|L+ 1|OBJACOORD 1|0 1|ACOORD 2|0 1 1|1 2 1|"
                    "BCOORD 2|0 -1|1 -2", np.exp(2)),
    # maximize x over x - 3 <= 0, x >= 0.
    "signs": ("VER 1|OBJSENSE MAX|VAR 1 1|L+ 1|CON 1 1|L- 1|OBJACOORD 1|0 1|ACOORD 1|0 0 1|"
              "BCOORD 1|0 -3", 3.0),
}  # fmt: skip


def cbf(text):
    """A file of sections; a name and its number are on one line above, to be short."""
    lines = ["# by hand"]
    for line in text.split("|"):
        name, _, rest = line.partition(" ")
        is_cone = name in ("F", "Q", "QR", "EXP") or name.startswith("L")
        if name == "PSDVAR" or name == "PSDCON":
            count, *sides = rest.split()
            lines += [name, count, *sides]
        elif name == "OBJBCOORD":
            lines += [name, rest]
        elif name.isupper() and not is_cone:
            lines += [name, rest]
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", CBF)
def test_cbf_has_the_value_that_it_has_by_hand(run, name):
    text, value = CBF[name]
    code, out, err = run("solve", "@c.cbf", "--json", c_cbf=cbf(text))
    assert code == 0, err
    assert json.loads(out)["objective"] == pytest.approx(value, rel=1e-7)


def standard(**changes):
    """minimize x^2 / 2 - x, x + s = 0.5, s >= 0, in standard form."""
    one = {"shape": [1, 1], "colptr": [0, 1], "rowval": [0], "nzval": [1.0]}
    fields = {"P_upper": one, "q": [-1.0], "A": one, "b": [0.5], "cones": [{"nonnegative": 1}]}
    return json.dumps({**fields, "r": 2.0, **changes})


def test_standard_form_is_solved(run):
    code, out, _ = run("solve", "@p.json", "--json", p_json=standard())
    found = json.loads(out)
    assert code == 0 and found["objective"] == pytest.approx(2 + 0.125 - 0.5, abs=1e-9)
    assert found["x"] == pytest.approx([0.5]) and found["z"] == pytest.approx([0.5])
    code, out, _ = run("solve", "@p.json", "--json", p_json=standard(b=[1e20]))
    assert json.loads(out)["x"] == pytest.approx([1.0]) and json.loads(out)["s"] == [None]
    code, out, _ = run("check", "@p.json", "@s.json", s_json=out)
    assert code == 0, out


def test_no_solution_is_exit_code_1_and_says_why(run):
    two = {"shape": [2, 1], "colptr": [0, 2], "rowval": [0, 1], "nzval": [1.0, -1.0]}
    fields = standard(A=two, b=[0.0, -1.0], cones=[{"nonnegative": 2}])
    code, out, _ = run("solve", "@p.json", p_json=fields)
    assert code == 1 and "primal_infeasible: no point satisfies the constraints" in out
    code, out, _ = run("solve", "@p.json", "--json", "--max-iterations", "1", p_json=standard())
    assert (code, json.loads(out)["status"]) in ((1, "iteration_limit"), (0, "solved"))


def test_integer_variables_are_refused_or_relaxed(run):
    text = MPS.replace(" UP BND  x  3.0", " UI BND  x  3").replace(
        " MI BND  y\n UP BND  y  2.5", " BV BND  y"
    )
    code, _, err = run("solve", "@p.mps", p_mps=text)
    assert code == 2 and "2 of 3 variables are integer" in err and "--relax" in err
    code, out, _ = run("solve", "@p.mps", "--relax", p_mps=text)
    assert code == 0 and "2 integer variables" in out


BAD = [
    (("solve", "@none.json"), {}, "No such file"),
    (("solve", "@none.mps"), {}, "No such file"),
    (("solve", "@p.txt"), {"p_txt": "1"}, "ends in .mps, .qps, .cbf or .json"),
    (("solve", "@p.json"), {"p_json": "{"}, "is no JSON"),
    (("solve", "@p.json"), {"p_json": "[1]"}, "expected an object"),
    (("solve", "@p.json"), {"p_json": b"\x1f\x8b damaged"}, "damaged gzip data"),
    (("solve", "@p.json"), {"p_json": b"\xff\xfe"}, "is no text"),
    (("solve", "@p.json"), {"p_json": standard(q="x")}, "q: expected a list of numbers"),
    (("solve", "@p.json"), {"p_json": standard(q=[1.0, 2.0])}, "P_upper: expected shape [2, 2]"),
    (("solve", "@p.json"), {"p_json": standard(A=None)}, "A: missing"),
    (("solve", "@p.json"), {"p_json": standard(cones=[{"zero": 3}])}, "the cones take 3 rows"),
    (("solve", "@p.json"), {"p_json": standard(cones=["box"])}, "cones[0]: expected an object"),
    (("solve", "@p.json"), {"p_json": standard(q=[float("nan")])}, "q[0"),
    (("solve", "@p.mps"), {"p_mps": "ROWS\n Z what\n"}, "no linear or quadratic program"),
    (
        ("solve", "@p.cbf"),
        {"p_cbf": "VER\n1\nVAR\n2 1\nL+ 1\n"},
        "line 3, VAR: expected cones of 2",
    ),
    (("solve", "@p.cbf"), {"p_cbf": "VER\n1\nVAR\n2 1\n"}, "the file ends within it"),
    (("solve", "@p.cbf"), {"p_cbf": "VER\n1\nCHANGE\n"}, "expected one of VER, OBJSENSE"),
    (("solve", "@p.cbf"), {"p_cbf": "VER\n1\nVAR\n1 1\nF 1\nOBJACOORD\n1\n4 1\n"}, "from 0 to 0"),
    (("solve", "@p.json", "--output", "@no/s.json"), {"p_json": standard()}, "No such file"),
    (("solve", "@p.json", "--tolerance", "0"), {"p_json": standard()}, "a positive number"),
    (("check", "@p.json", "@s.json"), {"p_json": standard(), "s_json": "{}"}, "x is missing"),
    (
        ("check", "@p.json", "@s.txt"),
        {"p_json": standard(), "s_txt": "1\n2\n"},
        "expected 1 numbers",
    ),
    (("check", "@p.json", "@s.txt"), {"p_json": standard(), "s_txt": "a b c\n"}, "on each line"),
    (("check", "@p.json", "@s.txt"), {"p_json": standard(), "s_txt": "a 1\n"}, "has none"),
    (("check", "@p.mps", "@s.txt"), {"p_mps": MPS, "s_txt": "a 1\n"}, "no variable 'a'"),
    ((), {}, "COMMAND"),
]


@pytest.mark.parametrize(("arguments", "files", "message"), BAD)
def test_what_cannot_be_read_is_exit_code_2_and_named(run, arguments, files, message):
    code, out, err = run(*arguments, **files)
    assert code == 2 and message in err and "Traceback" not in err and out == ""


def test_info_tells_what_is_here(run):
    code, out, _ = run("info", "--json")
    found = json.loads(out)
    assert code == 0 and found["packages"]["numpy"] == np.__version__
    assert found["lanes"] in (1, 2, 4, 8) and found["threads"] >= 1
    code, out, _ = run("info")
    assert code == 0 and found["version"] in out and "instructions" in out


@pytest.mark.parametrize(("name", "text"), [("p.json", standard()), ("p.mps", MPS)])
def test_the_module_runs_as_a_program_and_prints_its_answer_alone(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    ran = subprocess.run(
        [sys.executable, "-m", "argrad", "solve", str(path), "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "RAYON_NUM_THREADS": "1"},
    )
    assert ran.returncode == 0 and ran.stderr == ""
    assert json.loads(ran.stdout)["status"] == "solved"
