/** Streams that outlive their connections: events and log of a job. */

import type { JobDetails } from '../v1/schemas.ts';
import { Exit, exits } from './exits.ts';
import { parseEvents, type ServerEvent } from './eventParser.ts';
import type { Session } from './session.ts';

const cut = (what: string): Exit => new Exit(exits.unreachable, `the connection for the ${what} was cut, again and again`);

/** Every event of a job until its end; a connection that is cut is taken up where it was. */
export const followEvents = async function* (session: Session, id: string): AsyncGenerator<ServerEvent> {
  let lastId: string | undefined;
  let attempts = session.http.attempts();
  for (;;) {
    const response = await session.send({
      path: `/api/v1/jobs/${id}/events`,
      headers: { accept: 'text/event-stream', ...(lastId !== undefined && { 'last-event-id': lastId }) },
    });
    if (response.status === 204 || response.body === null) return;
    try {
      for await (const event of parseEvents(response.body)) {
        lastId = event.id;
        attempts = session.http.attempts();
        yield event;
        if (event.kind === 'end') return;
      }
    } catch (err) {
      if (err instanceof Exit) throw err;
    }
    await session.http.pause(attempts, cut('events'));
  }
};

/** The job as it ended. @param onEvent told of each event */
export const awaitEnd = async (session: Session, id: string, onEvent: (event: ServerEvent) => void): Promise<JobDetails> => {
  for await (const event of followEvents(session, id)) {
    onEvent(event);
    if (event.kind === 'end') return JSON.parse(event.data) as JobDetails;
  }
  return session.read<JobDetails>({ path: `/api/v1/jobs/${id}` });
};

/** Which log, and how much of it. */
export interface LogWanted {
  readonly id: string;
  readonly follow: boolean;
  /** in bytes */
  readonly offset: number;
}

/** The log's bytes in order, each once; a connection that is cut is taken up where it was. */
export const readLog = async function* (session: Session, { id, follow, offset: from }: LogWanted): AsyncGenerator<Uint8Array> {
  let offset = from;
  let attempts = session.http.attempts();
  for (;;) {
    const response = await session.send({ path: `/api/v1/jobs/${id}/logs`, query: { follow: String(follow), offset } });
    if (response.body === null) return;
    try {
      for await (const piece of response.body as AsyncIterable<Uint8Array>) {
        offset += piece.length;
        attempts = session.http.attempts();
        yield piece;
      }
      return;
    } catch (err) {
      // a stream that breaks is no answer: what is missing is asked for again
      if (err instanceof Exit) throw err;
    }
    await session.http.pause(attempts, cut('log'));
  }
};
