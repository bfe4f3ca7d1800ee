import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

// It stays and answers one request after another, on the socket that it finds as descriptor 3.
// Standard error is what `decloud logs` shows to you alone.
const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  const query = new URL(request.url ?? '/', 'http://localhost').search.slice(1);
  console.error(`asked for ${JSON.stringify(query)}`);
  response.setHeader('Content-Type', 'text/plain');
  response.end(`hello from ${query || 'decloud'}\n`);
});
server.listen({ fd: 3 });
process.on('SIGTERM', () => process.exit(0));
