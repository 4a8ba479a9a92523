// One contestant's server, in a process of its own: `node serve.mjs FOLDER CONFIG`. The runner calls the methods of what
// `start` of `contestants/FOLDER/server.mjs` returns, by messages; when the runner goes, this goes, with all it started.
const [folder, config] = process.argv.slice(2);
const { start } = await import(`./contestants/${folder}/server.mjs`);

let server;
const leave = async () => {
  await server?.stop?.();
  process.exit(0);
};
process.on("disconnect", leave);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, leave);

process.on("message", async ({ id, method, args }) => {
  try {
    process.send({ id, result: await server[method](...args) });
  } catch (error) {
    process.send({ id, error: error.stack ?? String(error) });
  }
});

try {
  server = await start(JSON.parse(config));
  process.send({ ready: server.address });
} catch (error) {
  process.send({ failed: error.stack ?? String(error) });
}
