// Sending a backlog as fast as the socket takes it, without heaping it up in memory.

/** How much may wait in a socket, in bytes. */
const HIGH_WATER = 1 << 20;

/** Sends every message through a `ws` socket, and waits whenever too much of it waits there. */
export async function sendAll(socket, messages) {
  for (const message of messages) {
    const written = new Promise((resolve) => socket.send(message, resolve));
    if (socket.readyState !== socket.OPEN) return;
    if (socket.bufferedAmount > HIGH_WATER) await written;
  }
}
