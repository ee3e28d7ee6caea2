/** Run as a program: the floor under a status, a bare Express route. `node bareServer.ts <port> <file>…` serves each file at `/<its number>`. */

import { readFileSync } from 'node:fs';
import express from 'express';

const [port, ...files] = process.argv.slice(2);
const bodies = files.map((file) => readFileSync(file));
const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.get('/:number', (req, res) => {
  res.type('application/json').send(bodies[Number(req.params.number)]);
});
app.listen(Number(port), '127.0.0.1');
