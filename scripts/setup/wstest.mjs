// wstest, the Autobahn test suite's program. It runs under Python 2.7 only: so does its newest release (25.10.1, whose
// package lacks the list of what it needs besides; its cases are those of 0.8.2), and nothing has followed it.
import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { target } from "../lib/paths.mjs";
import { output, run } from "../lib/run.mjs";
import { already, Failure, say } from "../lib/step.mjs";

const VERSION = "0.8.2";
/** The last that makes environments for Python 2.7. */
const VIRTUALENV = "20.15.1";

/** Installs it below `target/`, if there is a Python for it; returns its path. */
export async function ensureWstest() {
  const home = join(target, "autobahn");
  const [python, wstest] = ["python", "wstest"].map((name) => join(home, "environment", "bin", name));
  const installed = await output(python, ["-c", "import autobahntestsuite; print(autobahntestsuite.version)"]);
  if (installed?.trim() === VERSION && existsSync(wstest)) {
    already(`wstest ${VERSION}`);
    return wstest;
  }
  const system = await findPython();
  say(`Installing wstest ${VERSION} into ${home} (once)`);
  const failure = "wstest could not be installed: see above. It needs pip, and the Python Package Index.";
  const virtualenv = join(home, "virtualenv");
  const pip = ["-m", "pip", "--disable-pip-version-check", "--quiet", "install"];
  await run(system, [...pip, "--upgrade", "--target", virtualenv, `virtualenv==${VIRTUALENV}`], { failure });
  const env = { PYTHONPATH: virtualenv };
  await run(system, ["-m", "virtualenv", "--quiet", "--clear", join(home, "environment")], { env, failure });
  await run(python, [...pip, `autobahntestsuite==${VERSION}`], { failure });
  return wstest;
}

/** A Python 2.7: on the PATH, or one of pyenv's. */
async function findPython() {
  const versions = join(process.env.PYENV_ROOT ?? join(homedir(), ".pyenv"), "versions");
  const kept = existsSync(versions) ? readdirSync(versions).filter((name) => name.startsWith("2.7.")) : [];
  for (const python of ["python2.7", "python2", ...kept.map((name) => join(versions, name, "bin", "python2.7"))]) {
    const version = await output(python, ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]);
    if (version?.trim() === "2.7") return python;
  }
  throw new Failure(
    "The Autobahn test suite needs Python 2.7, and there is none: put a `python2.7` on the PATH, or run `pyenv install 2.7.18`.",
  );
}
