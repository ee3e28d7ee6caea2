/** Tells who waits for a job that it changed: one LISTEN connection per process. */

import pg from 'pg';
import { jobChannel } from './jobs.ts';

/** Watches of one process. */
export interface JobChanges {
  /**
   * Calls `onChange` after each change of the job, and once after every reconnection, because changes may have been
   * missed then. @returns the end of the watch
   */
  watch(jobId: string, onChange: () => void): () => void;
  close(): Promise<void>;
}

const reconnectMs = 500;

/** @param onError told about a broken connection; it is made again by itself */
export const listenForChanges = (databaseUrl: string, onError: (err: unknown) => void): JobChanges => {
  const watchers = new Map<string, Set<() => void>>();
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const pokeAll = (): void => {
    for (const set of watchers.values()) for (const onChange of set) onChange();
  };
  const reconnect = (err: unknown): void => {
    if (closed || timer !== undefined) return;
    onError(err);
    client = undefined;
    timer = setTimeout(() => {
      timer = undefined;
      void connect();
    }, reconnectMs);
  };
  const connect = async (): Promise<void> => {
    const fresh = new pg.Client({ connectionString: databaseUrl, keepAlive: true, application_name: 'durable-c2d changes' });
    fresh.on('error', reconnect);
    fresh.on('end', () => fresh === client && reconnect(new Error('the connection ended')));
    fresh.on('notification', ({ payload }) => watchers.get(payload ?? '')?.forEach((onChange) => onChange()));
    try {
      await fresh.connect();
      await fresh.query(`listen ${jobChannel}`);
      client = fresh;
      if (closed) await fresh.end();
      else pokeAll();
    } catch (err) {
      await fresh.end().catch(() => undefined);
      reconnect(err);
    }
  };
  void connect();

  return {
    watch(jobId, onChange) {
      const set = watchers.get(jobId) ?? new Set();
      watchers.set(jobId, set.add(onChange));
      return () => {
        set.delete(onChange);
        if (set.size === 0) watchers.delete(jobId);
      };
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      await client?.end();
    },
  };
};
