/** The service's own transactions, on a real chain, with a real ledger. */

import { setTimeout as sleep } from 'node:timers/promises';
import { Interface, Wallet, id } from 'ethers';
import { chainConfig } from '../../../../infra/ocean/config.ts';
import { openNode, type TransactionNode } from '../../../../infra/ocean/transactions/node.ts';
import { createTransactions, type TransactionPatience, type Transactions } from '../../../../infra/ocean/transactions/transactions.ts';
import { callRpc } from '../../../../infra/toolchain/chain/anvil.ts';
import { startChain, type LocalChain } from '../../../../infra/toolchain/chain/startChain.ts';
import { createLedger } from '../../../../infra/ledger/ledger.ts';
import { connectLedger } from '../../../../infra/ledger/connect.ts';
import { openTestLedger, type TestLedger } from '../../../support/databases.ts';
import { fundWallet } from '../../../support/people.ts';

const tokenAbi = new Interface([
  'function approve(address spender, uint256 amount) returns (bool)',
  'function transfer(address to, uint256 amount) returns (bool)',
  'function allowance(address owner, address spender) view returns (uint256)',
]);
const patience: TransactionPatience = { waitMs: 10_000, tendMs: 40, replaceMs: 60_000 };
const receiver = '0x000000000000000000000000000000000000dEaD';

let chain: LocalChain;
let db: TestLedger;
const opened: (() => Promise<void>)[] = [];

beforeAll(async () => {
  [chain, db] = await Promise.all([startChain(), openTestLedger()]);
});

afterEach(async () => {
  await rpc('evm_setAutomine', true);
  await Promise.all(opened.splice(0).map((close) => close()));
});

afterAll(async () => {
  await Promise.all([chain?.close(), db?.close()]);
});

const rpc = async (method: string, ...params: unknown[]): Promise<unknown> => (await callRpc(chain.rpcUrl, [{ method, params }]))[0];

/** A process that sends: a node, a ledger connection and an instance of its own. */
const aProcess = (
  wallet: { readonly privateKey: string },
  {
    over = {},
    confirmations = 1,
    wait = patience,
  }: { over?: Partial<TransactionNode>; confirmations?: number; wait?: TransactionPatience } = {},
): Transactions => {
  const { erc721Factory } = chain.contracts;
  const config = chainConfig.parse({ chainId: 8996, rpcUrl: chain.rpcUrl, confirmations, erc721FactoryAddress: erc721Factory });
  const connection = connectLedger(db.url, () => undefined, { maxConnections: 10 });
  const node = { ...openNode(config), ...over };
  opened.push(connection.close, async () => node.close());
  return createTransactions({
    nodes: new Map([[8996, node]]),
    ledger: createLedger(connection, db.keyring),
    privateKey: wallet.privateKey,
    patience: wait,
  });
};

const aWallet = async (): Promise<Wallet> => {
  const wallet = new Wallet(Wallet.createRandom().privateKey, chain.provider);
  await fundWallet(chain.rpcUrl, wallet.address);
  return wallet;
};

/** Harmless, and seen on the chain: the last one mined counts. */
const approve = (key: string, amount: bigint) => ({
  ...{ key, chainId: 8996, to: chain.contracts.ocean },
  data: tokenAbi.encodeFunctionData('approve', [receiver, amount]),
});

const allowanceOf = async (wallet: Wallet): Promise<bigint> => {
  const data = tokenAbi.encodeFunctionData('allowance', [wallet.address, receiver]);
  return BigInt((await rpc('eth_call', { to: chain.contracts.ocean, data }, 'latest')) as string);
};

const nonceOf = async (wallet: Wallet): Promise<number> => Number(await rpc('eth_getTransactionCount', wallet.address, 'latest'));

describe('sendOnce', () => {
  test('sends, waits for the block and answers with its logs', async () => {
    const wallet = await aWallet();
    const sent = await aProcess(wallet).sendOnce(approve('plain', 7n));
    expect(sent.receipt.logs.map(({ address, topics }) => [address, topics[0]])).toEqual([
      [chain.contracts.ocean, id('Approval(address,address,uint256)')],
    ]);
    expect(await allowanceOf(wallet)).toBe(7n);
  });

  test('a key is spent once, whoever asks, however often and for whatever', async () => {
    const wallet = await aWallet();
    const [one, other] = [aProcess(wallet), aProcess(wallet)];
    const sent = await Promise.all(Array.from({ length: 10 }, (_, n) => (n % 2 ? one : other).sendOnce(approve('once', 5n))));
    expect(new Set(sent.map(({ hash }) => hash)).size).toBe(1);
    expect(await aProcess(wallet).sendOnce(approve('once', 9n))).toEqual(sent[0]);
    expect([await nonceOf(wallet), await allowanceOf(wallet)]).toEqual([1, 5n]);
  });

  test('processes that send at the same time take nonces of their own', async () => {
    const wallet = await aWallet();
    const processes = [aProcess(wallet), aProcess(wallet), aProcess(wallet)];
    const sent = await Promise.all(Array.from({ length: 24 }, (_, n) => processes[n % 3]!.sendOnce(approve(`many/${n}`, BigInt(n + 1)))));
    expect(new Set(sent.map(({ hash }) => hash)).size).toBe(24);
    expect(await nonceOf(wallet)).toBe(24);
  });

  test('a process that ends after signing leaves a transaction that the next one sends', async () => {
    const wallet = await aWallet();
    const crash = { broadcast: () => Promise.reject(new Error('killed')) };
    await expect(aProcess(wallet, { over: crash }).sendOnce(approve('crash', 3n))).rejects.toThrow('killed');
    expect(await nonceOf(wallet)).toBe(0);
    await aProcess(wallet).sendOnce(approve('crash', 3n));
    expect([await nonceOf(wallet), await allowanceOf(wallet)]).toEqual([1, 3n]);
  });

  test('a process that ends after sending leaves nothing to be sent again', async () => {
    const wallet = await aWallet();
    const node = openNode(chainConfig.parse({ chainId: 8996, rpcUrl: chain.rpcUrl, erc721FactoryAddress: receiver }));
    opened.push(async () => node.close());
    const crash = { broadcast: (raw: string) => node.broadcast(raw).then(() => Promise.reject(new Error('killed'))) };
    await expect(aProcess(wallet, { over: crash }).sendOnce(approve('lost answer', 4n))).rejects.toThrow('killed');
    await aProcess(wallet).sendOnce(approve('lost answer', 4n));
    expect(await nonceOf(wallet)).toBe(1);
  });

  test('what the network has forgotten is sent again, also what was left behind by somebody else', async () => {
    const wallet = await aWallet();
    const crash = { broadcast: () => Promise.reject(new Error('killed')) };
    await expect(aProcess(wallet, { over: crash }).sendOnce(approve('left behind', 1n))).rejects.toThrow('killed');
    await aProcess(wallet).sendOnce(approve('later', 2n));
    expect([await nonceOf(wallet), await allowanceOf(wallet)]).toEqual([2, 2n]);
  });

  test('what nobody mines is replaced at a higher price, and done once', async () => {
    const wallet = await aWallet();
    await rpc('evm_setAutomine', false);
    const sending = aProcess(wallet, { wait: { ...patience, replaceMs: 100 } }).sendOnce(approve('stuck', 6n));
    const attempts = async () => (await db.ledger.findTransaction('stuck'))?.signed?.attempts ?? [];
    while ((await attempts()).length < 3) await sleep(20);
    await rpc('evm_setAutomine', true);
    await rpc('evm_mine');
    await sending;
    const [first, second, third] = await attempts();
    expect(BigInt(second!.maxFeePerGas) * 10n).toBeGreaterThan(BigInt(first!.maxFeePerGas) * 11n);
    expect(third!.nonce).toBe(first!.nonce);
    expect([await nonceOf(wallet), await allowanceOf(wallet)]).toEqual([1, 6n]);
  });

  test('a nonce that somebody else has used with the same key is given up for another one', async () => {
    const wallet = await aWallet();
    const crash = { broadcast: () => Promise.reject(new Error('killed')) };
    await expect(aProcess(wallet, { over: crash }).sendOnce(approve('stranger', 8n))).rejects.toThrow('killed');
    await (await wallet.sendTransaction({ to: receiver, value: 1n, nonce: 0 })).wait();
    await aProcess(wallet).sendOnce(approve('stranger', 8n));
    expect([await nonceOf(wallet), await allowanceOf(wallet)]).toEqual([2, 8n]);
  });

  test('a transaction counts when it lies as deep as configured', async () => {
    const wallet = await aWallet();
    let isDone = false;
    const sending = aProcess(wallet, { confirmations: 3 })
      .sendOnce(approve('deep', 1n))
      .then(() => (isDone = true));
    while ((await nonceOf(wallet)) === 0) await sleep(10);
    await chain.mine(1);
    await sleep(200);
    expect(isDone).toBe(false);
    await chain.mine(1);
    await sending;
  });

  test('what a contract refuses is told with its reason, costs nothing and may be tried again', async () => {
    const wallet = await aWallet();
    const sender = aProcess(wallet);
    const transfer = { ...approve('refused', 0n), data: tokenAbi.encodeFunctionData('transfer', [receiver, 5n]) };
    await expect(sender.sendOnce(transfer)).rejects.toMatchObject({ type: 'TransactionReverted', message: /exceeds balance/ });
    expect(await nonceOf(wallet)).toBe(0);
    await expect(sender.sendOnce(approve('refused', 1n))).resolves.toBeDefined();
  });

  test('what a contract refuses in a block has ended, with its reason', async () => {
    const wallet = await aWallet();
    const sender = aProcess(wallet);
    const data = tokenAbi.encodeFunctionData('transfer', [receiver, 5n]);
    const transfer = { ...approve('reverted', 0n), data, gasLimit: 100_000n };
    const refused = { type: 'TransactionReverted', message: /exceeds balance/ };
    await expect(sender.sendOnce(transfer)).rejects.toMatchObject(refused);
    await expect(sender.sendOnce(transfer)).rejects.toMatchObject(refused);
    expect(await nonceOf(wallet)).toBe(1);
  });

  test('a key without funds is named before anything is signed', async () => {
    const wallet = new Wallet(Wallet.createRandom().privateKey);
    const sending = aProcess(wallet).sendOnce({ ...approve('poor', 1n), gasLimit: 100_000n });
    await expect(sending).rejects.toMatchObject({
      type: 'KeyNeedsFunds',
      message: expect.stringContaining(`the key ${wallet.address} on chain 8996 needs funds`),
      retryAfterSeconds: expect.any(Number),
    });
    expect(await db.ledger.findTransaction('poor')).toBeNull();
  });

  test('a transaction that is not mined in time is told as such, and goes on', async () => {
    const wallet = await aWallet();
    await rpc('evm_setAutomine', false);
    const sender = aProcess(wallet, { wait: { ...patience, waitMs: 100 } });
    await expect(sender.sendOnce(approve('slow', 1n))).rejects.toMatchObject({ type: 'TransactionPending', retryAfterSeconds: 3 });
    await rpc('evm_setAutomine', true);
    await rpc('evm_mine');
    await sender.sendOnce(approve('slow', 1n));
    expect(await nonceOf(wallet)).toBe(1);
  });

  test('the ledger holds no private key', async () => {
    const wallet = await aWallet();
    await aProcess(wallet).sendOnce(approve('public', 1n));
    const text = JSON.stringify(await db.ledger.findTransaction('public'));
    expect(text.toLowerCase()).not.toContain(wallet.privateKey.slice(2).toLowerCase());
  });
});

describe('giveUp', () => {
  test('a key that was never used never will be', async () => {
    const wallet = await aWallet();
    const sender = aProcess(wallet);
    expect(await sender.giveUp('never', 8996)).toBeNull();
    await expect(sender.sendOnce(approve('never', 1n))).rejects.toThrow('given up');
    expect(await nonceOf(wallet)).toBe(0);
  });

  test('what was signed is brought to its end', async () => {
    const wallet = await aWallet();
    const crash = { broadcast: () => Promise.reject(new Error('killed')) };
    await expect(aProcess(wallet, { over: crash }).sendOnce(approve('signed', 2n))).rejects.toThrow('killed');
    const sender = aProcess(wallet);
    expect(await sender.giveUp('signed', 8996)).toEqual(await sender.sendOnce(approve('signed', 2n)));
  });
});
