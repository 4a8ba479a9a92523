// Where things are. Everything that the scripts install or build stays inside the repository's folder.
import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(fileURLToPath(import.meta.url), "../../..");
export const tools = join(root, ".tools");
export const target = process.env.CARGO_TARGET_DIR ? resolve(root, process.env.CARGO_TARGET_DIR) : join(root, "target");
/** What users install. */
export const dist = join(root, "dist");
/** What the package was made of: the glue by itself, and the WebAssembly with its functions' names. */
export const inner = join(target, "package");

/** The name of an executable on this system. */
export const executable = (name) => (process.platform === "win32" ? `${name}.exe` : name);

/** The environment of every command: this repository's tools come first on the PATH. */
export const environment = {
  ...process.env,
  PATH: [join(tools, "bin"), join(root, "node_modules", ".bin"), process.env.PATH].join(delimiter),
};
