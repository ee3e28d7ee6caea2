import type { ServerResponse } from 'node:http';
import { Wallet, verifyMessage } from 'ethers';
import { createWebhooks, type Webhooks } from '../../../infra/outbound/webhooks.ts';
import { startWebhookReceiver, type ReceivedWebhook, type WebhookReceiver } from '../../support/webhookReceiver.ts';

const wallet = Wallet.createRandom();
const message = { event: 'stop', delivery: 'abc/stop', body: '{"reason":"zu groß"}' } as const;
const patienceMs = 300;

let received: ReceivedWebhook[];
let answer: (res: ServerResponse) => void;
let receiver: WebhookReceiver;
let webhooks: Webhooks;

beforeAll(async () => {
  receiver = await startWebhookReceiver(
    (webhook) => void received.push(webhook),
    (res) => answer(res),
  );
});
afterAll(() => receiver.close());
beforeEach(() => {
  received = [];
  answer = (res) => res.writeHead(200).end('thanks');
  const stop = `${receiver.origin.replace('//', '//user:se%20cret@')}/stopped?key=hidden`;
  webhooks = createWebhooks({ urls: { start: undefined, stop }, privateKey: wallet.privateKey, patienceMs });
});
afterEach(() => webhooks.close());

const post = (): Promise<void> => webhooks.post(message, new AbortController().signal);
const failure = async (): Promise<string> => String(await post().catch((err: unknown) => err));

describe('a webhook', () => {
  test('carries a signature of the exact body by the key of the provider, and an id for deduplication', async () => {
    await post();
    const [{ path, headers, body } = { path: '', headers: {}, body: '' }] = received;
    expect(path).toBe('/stopped?key=hidden');
    expect(body).toBe(message.body);
    expect(headers).toMatchObject({
      ...{ 'content-type': 'application/json', 'c2d-event': 'stop', 'c2d-delivery': 'abc/stop', 'c2d-address': wallet.address },
      authorization: `Basic ${Buffer.from('user:se cret').toString('base64')}`,
    });
    expect(verifyMessage(Buffer.from(body), String(headers['c2d-signature']))).toBe(wallet.address);
    expect(verifyMessage(Buffer.from(`${body} `), String(headers['c2d-signature']))).not.toBe(wallet.address);
  });

  test('is the same when it is sent again', async () => {
    await post();
    await post();
    const [first, second] = received.map(({ headers, body }) => ({ body, signature: headers['c2d-signature'] }));
    expect(second).toEqual(first);
  });

  test.each([301, 307, 400, 404, 429, 500, 503])('that is answered with %i was not delivered', async (status) => {
    answer = (res) => res.writeHead(status, { location: '/elsewhere' }).end();
    expect(await failure()).toBe(`Error: the receiver of webhooks answered ${status}`);
    expect(received).toHaveLength(1);
  });

  test('waits for no answer beyond its time', async () => {
    answer = () => undefined;
    expect(await failure()).toMatch(/^Error: the receiver of webhooks could not be reached in time/);
  });

  test('that was taken is taken, however much the receiver has to say', async () => {
    answer = (res) => {
      res.writeHead(200);
      const talk = (): void => void (res.write(Buffer.alloc(65_536)) ? setImmediate(talk) : res.once('drain', talk));
      res.on('error', () => undefined);
      talk();
    };
    await post();
  });

  test('tells no address in its error', async () => {
    const { origin } = receiver;
    const away = createWebhooks({
      urls: { start: 'http://127.0.0.1:9/start?key=hidden', stop: undefined },
      privateKey: wallet.privateKey,
      patienceMs,
    });
    const text = String(await away.post({ ...message, event: 'start' }, new AbortController().signal).catch((err: unknown) => err));
    await away.close();
    expect(text).toBe('Error: the receiver of webhooks could not be reached in time (ECONNREFUSED)');
    expect(text).not.toContain(origin);
  });

  test('goes nowhere when nobody wants to hear of it', async () => {
    expect(webhooks.events).toEqual(['stop']);
    await webhooks.post({ ...message, event: 'start' }, new AbortController().signal);
    expect(received).toEqual([]);
  });
});
