import { getBytes, id, type Wallet } from 'ethers';
import { createApp } from '../../api/app.ts';
import { status } from '../../workflows/contract/status.ts';
import { aDid } from '../support/builders.ts';
import { aJobRow, aWorld, type World } from './support/fakes.ts';
import { aWallet, call } from './support/consumer.ts';

/** Signs as clients 4.x do: the 32 bytes of the text's hash. */
const signText = (wallet: Wallet, text: string): string => wallet.signMessageSync(getBytes(id(text)));

const nonce = '1755500000001';
const did = aDid();

interface OlderCall {
  readonly name: string;
  readonly text: (address: string, jobId: string) => string;
  readonly send: (
    world: World,
    signed: { consumerAddress: string; nonce: string; signature: string },
    jobId: string,
  ) => ReturnType<typeof call>;
  readonly running?: boolean;
}

const start =
  (path: string, datasets: readonly object[]): OlderCall['send'] =>
  (world, signed) => {
    const algorithm = { documentId: aDid(), serviceId: 'a' };
    const body = {
      ...signed,
      environment: 'small',
      dataset: datasets[0],
      datasets,
      algorithm,
      maxJobDuration: 60,
      resources: [],
      output: null,
    };
    return call(createApp(world.deps), 'post', path, (post) => post.set('Authorization', 'undefined').send(body));
  };
const dataset = { documentId: did, serviceId: 's', transferTxId: '0x1' };
const withQuery =
  (method: 'get' | 'put' | 'post', path: string, more: (jobId: string) => object): OlderCall['send'] =>
  (world, signed, jobId) =>
    call(createApp(world.deps), method, path, (test) => {
      const sent = test.query({ ...signed, ...more(jobId) });
      return method === 'post' ? sent.set('Content-Type', 'application/octet-stream').send('x') : sent;
    });

const calls: readonly OlderCall[] = [
  { name: 'paid start', text: (address) => `${address}${did}${nonce}`, send: start('/api/services/compute', [dataset]) },
  { name: 'paid start without datasets', text: (address) => `${address}undefined${nonce}`, send: start('/api/services/compute', []) },
  { name: 'free start', text: () => nonce, send: start('/api/services/freeCompute', [dataset]) },
  { name: 'stop', text: (address, jobId) => `${address}${jobId}`, send: withQuery('put', '/api/services/compute', (jobId) => ({ jobId })) },
  {
    name: 'result',
    text: (address, jobId) => `${address}${jobId}0${nonce}`,
    send: withQuery('get', '/api/services/computeResult', (jobId) => ({ jobId, index: '0' })),
  },
  {
    name: 'logs',
    text: (address, jobId) => `${address}${jobId}${nonce}`,
    send: (world, signed, jobId) => {
      world.ledger.endWhenFollowed(jobId);
      return withQuery('get', '/api/services/computeStreamableLogs', () => ({ jobId }))(world, signed, jobId);
    },
  },
  {
    name: 'token',
    text: (address) => `${address}${nonce}`,
    send: (world, { consumerAddress: address, ...rest }) =>
      call(createApp(world.deps), 'post', '/api/services/auth/token', (post) => post.send({ address, ...rest })),
  },
  { name: 'encrypt', text: () => nonce, send: withQuery('post', '/api/services/encrypt', () => ({ chainId: '8996' })) },
];

const aWorldWithJob = (wallet: Wallet, acceptsOlderMessages: boolean) => {
  const world = aWorld({ acceptsOlderMessages });
  const { jobId } = world.ledger.put(
    aJobRow({
      owner: wallet.address,
      status: status.running,
      results: [{ index: 0, filename: 'a', filesize: 5, type: 'output', n: 0, sha256: 'ab'.repeat(32) }],
    }),
  );
  world.files.set(`${jobId}/1/0`, Buffer.from('hello'));
  return { world, jobId };
};

describe.each(calls)('the older message of $name', ({ name, text, send }) => {
  const sendAs = (wallet: Wallet, acceptsOlder: boolean, message = text) => {
    const { world, jobId } = aWorldWithJob(wallet, acceptsOlder);
    const signed = { consumerAddress: wallet.address, nonce, signature: signText(wallet, message(wallet.address, jobId)) };
    return { world, jobId, signed, answer: send(world, signed, jobId) };
  };

  test('is good where the operator accepts it', async () => {
    expect((await sendAs(aWallet(), true).answer).status).toBe(200);
  });

  test('is refused elsewhere', async () => {
    const { world, answer } = sendAs(aWallet(), false);
    expect((await answer).status).toBe(401);
    expect(world.ledger.nonces.size).toBe(0);
  });

  test("is no good when it is another's", async () => {
    const wallet = aWallet();
    const { world, jobId } = aWorldWithJob(wallet, true);
    const signature = signText(aWallet(), text(wallet.address, jobId));
    expect((await send(world, { consumerAddress: wallet.address, nonce, signature }, jobId)).status).toBe(401);
  });

  test('spends its nonce, if it has one', async () => {
    const wallet = aWallet();
    const { world, answer } = sendAs(wallet, true);
    await answer;
    expect(await world.ledger.nonceOf(wallet.address)).toBe(name === 'stop' ? null : nonce);
  });
});

describe('older clients', () => {
  test('before 5.1 do not sign encrypt: that is taken only where they are accepted', async () => {
    const send = (acceptsOlderMessages: boolean) =>
      call(createApp(aWorld({ acceptsOlderMessages }).deps), 'post', '/api/services/encrypt', (post) =>
        post.query({ chainId: '8996' }).set('Content-Type', 'application/octet-stream').send('x'),
      );
    expect([(await send(true)).status, (await send(false)).status]).toEqual([200, 401]);
  });

  test('a copied stop can stop that same job again and nothing else', async () => {
    const wallet = aWallet();
    const { world, jobId } = aWorldWithJob(wallet, true);
    const other = world.ledger.put(aJobRow({ owner: wallet.address }));
    const signature = signText(wallet, `${wallet.address}${jobId}`);
    const stop = (target: string, replayed: string) =>
      call(createApp(world.deps), 'put', '/api/services/compute', (put) =>
        put.query({ consumerAddress: wallet.address, nonce: replayed, signature, jobId: target }),
      );
    expect((await stop(jobId, '1')).status).toBe(200);
    // an unsigned nonce is not stored: a copy could push it up and lock the owner out
    expect((await stop(jobId, '9007199254740991')).status).toBe(200);
    expect(world.ledger.nonces.size).toBe(0);
    expect((await stop(other.jobId, '2')).status).toBe(401);
  });
});
