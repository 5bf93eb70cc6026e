// An endpoint on loopback that fails as it is told, so that deliveries have a history.

import { createServer } from "node:http";

export async function receiver() {
  const state = { status: 500, got: 0 };
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      state.got += 1;
      response.writeHead(state.status).end();
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}/hook`;
  return { url, state, close: () => server.close() };
}
