/** Drives a person with the unmodified classic client library: see classicConsumer.mjs. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';

export interface ClassicConsumer {
  /** Calls the script's function of that name. @throws Error with the library's message */
  call<Value>(name: string, args?: object): Promise<Value>;
  close(): Promise<void>;
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** Starts the process; the first call waits until the library is loaded. */
export const startClassicConsumer = (env: {
  /** folder whose node_modules holds the library */
  readonly CONSUMER_CLIENTS: string;
  readonly CONSUMER_RPC: string;
  readonly CONSUMER_API: string;
  readonly CONSUMER_KEY: string;
  /** contract addresses in the form that the library reads */
  readonly ADDRESS_FILE: string;
}): ClassicConsumer => {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'classicConsumer.mjs')], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
  });
  let lastWords = '';
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (lastWords = (lastWords + piece).slice(-2_000)));
  const pending = new Map<number, (answer: Answer) => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const answer = JSON.parse(line) as Answer;
    pending.get(answer.id)?.(answer);
    pending.delete(answer.id);
  });
  const ended = once(child, 'exit');
  let lastId = 0;
  return {
    async call<Value>(name: string, args: object = {}): Promise<Value> {
      const id = (lastId += 1);
      const answered = new Promise<Answer>((resolve) => pending.set(id, resolve));
      child.stdin.write(`${JSON.stringify({ id, call: name, args })}\n`);
      const gone = ended.then((): Answer => ({ id, error: `the client process ended: ${lastWords}` }));
      const { value, error } = await Promise.race([answered, gone]);
      if (error !== undefined) throw new Error(error);
      return value as Value;
    },
    async close() {
      child.stdin.end();
      await ended;
    },
  };
};
