/** Sends a request as it is, also a GET with a body, and reads answers that may have no end. */

import { request, type IncomingMessage } from 'node:http';
import type { Ask } from './credentials.ts';

/** An answer, as far as it has come. */
export interface Answered {
  readonly status: number;
  readonly text: string;
  readonly headers: string;
}

const patienceMs = 500;

/** A log that is followed goes on for ever: what has come when nothing more does is enough. */
const readUntilQuiet = (res: IncomingMessage): Promise<string> =>
  new Promise((resolve) => {
    let text = '';
    let patience: NodeJS.Timeout | undefined;
    const done = (): void => {
      clearTimeout(patience);
      resolve(text);
    };
    res.on('data', (piece: Buffer) => {
      text += piece.toString();
      clearTimeout(patience);
      patience = setTimeout(done, patienceMs);
    });
    res.on('end', done).on('error', done);
  });

/** @returns what was answered */
export const send = async (baseUrl: string, { method, path, query = {}, body, headers = {} }: Ask): Promise<Answered> => {
  const url = new URL(baseUrl + path);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const bytes = typeof body === 'string' ? body : JSON.stringify(body);
  // for a GET or DELETE nobody else tells the server that there is a body
  const length = bytes === undefined ? {} : { 'content-length': String(Buffer.byteLength(bytes)) };
  const type = typeof body === 'object' ? { 'content-type': 'application/json' } : {};
  const sent = request(url, { method, agent: false, headers: { ...type, ...length, ...headers } });
  const res = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.on('response', resolve).on('error', reject);
    sent.end(bytes);
  });
  const text = await readUntilQuiet(res);
  sent.destroy();
  return { status: res.statusCode ?? 0, text, headers: res.rawHeaders.join('\n') };
};
