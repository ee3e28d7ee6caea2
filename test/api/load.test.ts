import { EventEmitter } from 'node:events';
import type { Request, Response } from 'express';
import request from 'supertest';
import { createApp } from '../../api/app.ts';
import { apiConfig } from '../../api/config.ts';
import { createLoad, type LoadSettings } from '../../api/load.ts';
import { Refusal } from '../../api/problems.ts';
import { aWorld } from './support/fakes.ts';
import { openCaller, openSurface, startOne } from './v1/support/surface.ts';

const roomy: LoadSettings = { requests: 10, answers: 10, streamsPerConsumer: 10, heapInUse: () => 0.5 };

class Answer extends EventEmitter {
  headersSent = false;

  begin(): void {
    this.headersSent = true;
  }

  finish(): void {
    this.emit('close');
  }
}

/** A request that stays open. @returns its answer, or the refusal */
const ask = (load: ReturnType<typeof createLoad>): Answer | Refusal => {
  const answer = new Answer();
  let isAdmitted = false;
  try {
    load.admit({} as Request, answer as unknown as Response, () => (isAdmitted = true));
  } catch (err) {
    if (err instanceof Refusal) return err;
    throw err;
  }
  expect(isAdmitted).toBe(true);
  return answer;
};
const admitted = (load: ReturnType<typeof createLoad>): Answer => {
  const answer = ask(load);
  if (answer instanceof Refusal) throw answer;
  return answer;
};
const busy = (text: RegExp, seconds: string) =>
  expect.objectContaining({ status: 503, message: expect.stringMatching(text) as string, headers: { 'Retry-After': seconds } }) as Refusal;

describe('what one process carries', () => {
  test('are so many requests without an answer; one whose answer has begun makes room', () => {
    const load = createLoad({ ...roomy, requests: 2 });
    const [first, second] = [admitted(load), admitted(load)];
    expect(ask(load)).toEqual(busy(/2 requests are being worked on/, '1'));
    first.begin();
    const third = admitted(load);
    expect(ask(load)).toEqual(busy(/2 requests/, '1'));
    second.finish();
    third.finish();
    expect([ask(load), ask(load)].every((answer) => answer instanceof Answer)).toBe(true);
  });

  test('are so many answers that are not finished', () => {
    const load = createLoad({ ...roomy, answers: 2 });
    const answers = [admitted(load), admitted(load)];
    for (const answer of answers) answer.begin();
    expect(ask(load)).toEqual(busy(/2 answers/, '1'));
    answers[0]!.finish();
    expect(ask(load)).toBeInstanceOf(Answer);
  });

  test('is nothing while the heap is nearly full', () => {
    let inUse = 0.95;
    const load = createLoad({ ...roomy, heapInUse: () => inUse });
    expect(ask(load)).toEqual(busy(/memory/, '5'));
    inUse = 0.8;
    expect(ask(load)).toBeInstanceOf(Answer);
    expect(ask(createLoad({ requests: 1, answers: 1, streamsPerConsumer: 1 }))).toBeInstanceOf(Answer);
  });

  test('are so many streams of each consumer, in whatever case the address is written', () => {
    const load = createLoad({ ...roomy, streamsPerConsumer: 1 });
    const open = (address: string): Answer => {
      const answer = new Answer();
      load.openStream(answer as unknown as Response, address);
      return answer;
    };
    const first = open('0xAb');
    expect(() => open('0xaB')).toThrow(/1 streams of this consumer are open/);
    const other = open('0xcd');
    first.finish();
    open('0xab').finish();
    other.finish();
  });

  test.each(['C2D_API_MAX_REQUESTS', 'C2D_API_MAX_ANSWERS', 'C2D_API_STREAMS_PER_ADDRESS'] as const)('%s is a number above 0', (key) => {
    const { shape } = apiConfig;
    expect([shape[key].safeParse('0').success, shape[key].safeParse('x').success, shape[key].safeParse('7').data]).toEqual([
      false,
      false,
      7,
    ]);
  });
});

describe('a process without room', () => {
  const app = createApp(aWorld({ load: createLoad({ ...roomy, heapInUse: () => 1 }) }).deps);

  test('says so in the form of each surface, and when to come again', async () => {
    const node = await request(app).get('/api/services/computeEnvironments');
    expect([node.status, node.headers['retry-after']]).toEqual([503, '5']);
    expect(node.body).toEqual({ error: expect.stringMatching(/busy/) as string });
    const start = await request(app).post('/api/services/compute').send({});
    expect([start.status, typeof start.body]).toEqual([503, 'string']);
    const v1 = await request(app).get('/api/v1/environments');
    expect([v1.status, v1.type, v1.headers['retry-after']]).toEqual([503, 'application/problem+json', '5']);
    expect(v1.body).toMatchObject({ code: 'ServiceUnavailable', detail: expect.stringMatching(/busy/) as string });
  });

  test('still tells whether it lives', async () => {
    expect((await request(app).get('/health/live')).status).toBe(200);
  });
});

describe('streams of the REST API', () => {
  test('beyond those of one consumer are refused until one is closed', async () => {
    const surface = await openSurface({ load: createLoad({ ...roomy, streamsPerConsumer: 1 }) });
    try {
      const alice = await openCaller(surface);
      const id = await startOne(alice);
      const open = (): Promise<globalThis.Response> => alice.fetch(`/api/v1/jobs/${id}/events`);
      const first = await open();
      expect(first.status).toBe(200);
      const second = await open();
      expect(second.status).toBe(429);
      expect(await second.json()).toMatchObject({ code: 'TooManyRequests' });
      const logs = await alice.fetch(`/api/v1/jobs/${id}/logs?follow=true`);
      expect(logs.status).toBe(429);
      await logs.body?.cancel();
      await first.body?.cancel();
      let third = await open();
      for (let tries = 0; third.status === 429 && tries < 100; tries += 1) {
        await third.body?.cancel();
        await new Promise((resolve) => setTimeout(resolve, 20));
        third = await open();
      }
      expect(third.status).toBe(200);
      await third.body?.cancel();
    } finally {
      await surface.close();
    }
  });
});
