// `npm start`: installs what is missing, builds, and runs the server with the demo on this machine alone.
// What follows `--` goes to the server: `npm start -- --port 9000`. So does the environment: `PORT=9000 npm start`.
import { join } from "node:path";
import { buildPackage, buildServer, ensureBuildTools } from "./build.mjs";
import { root } from "./lib/paths.mjs";
import { readLines, start } from "./lib/run.mjs";
import { bold, Failure, main, say } from "./lib/step.mjs";

await main(async () => {
  await ensureBuildTools();
  await buildPackage();
  const program = await buildServer({ release: true });

  say("Starting the server on ./data (Ctrl-C stops it)");
  const settings = { ACKWIRE_DEV: "true", ACKWIRE_DATA: join(root, "data"), ...process.env };
  const server = start(program, process.argv.slice(2), { env: settings, stdio: ["ignore", "pipe", "inherit"] });
  readLines(server.stdout, (line) => {
    const address = line.match(/^listening on (http:\S+)/)?.[1];
    console.log(address ? `\n  The demo: ${bold(`${address}/`)}\n` : line);
  });
  const code = await server.ended;
  if (code !== 0) throw new Failure(`The server stopped (${code}): it says why above.`);
});
