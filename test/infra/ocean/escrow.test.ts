/** Payments on the real escrow contract. */

import { Wallet } from 'ethers';
import { hashJobId } from '../../../api/node/jobView.ts';
import { escrowAbi } from '../../../infra/ocean/abi.ts';
import { chainConfig } from '../../../infra/ocean/config.ts';
import { openChain, type ChainReader } from '../../../infra/ocean/chains.ts';
import { createEscrow, escrowJobId, type Escrow } from '../../../infra/ocean/escrow/escrow.ts';
import { findShortage, requireFunds, type EscrowStanding } from '../../../infra/ocean/escrow/funds.ts';
import { costUnder, termsOf } from '../../../infra/ocean/escrow/terms.ts';
import { openNode } from '../../../infra/ocean/transactions/node.ts';
import { createTransactions, type Transactions } from '../../../infra/ocean/transactions/transactions.ts';
import { depositAndAuthorize } from '../../../infra/toolchain/chain/escrow.ts';
import { startChain, type LocalChain } from '../../../infra/toolchain/chain/startChain.ts';
import type { PaymentTerms } from '../../../workflows/contract/spec.ts';
import { aJobId, somePaymentTerms } from '../../support/builders.ts';
import { openTestLedger, type TestLedger } from '../../support/databases.ts';
import { fundWallet } from '../../support/people.ts';
import { anEnvironment } from './support/world.ts';

let chain: LocalChain;
let db: TestLedger;
let reader: ChainReader;
let transactions: Transactions;
let escrow: Escrow;
let payer: Wallet;
let terms: PaymentTerms;

const aMinute = 1_000_000n;

const configOf = ({ rpcUrl, contracts }: LocalChain) =>
  chainConfig.parse({ chainId: 8996, rpcUrl, erc721FactoryAddress: contracts.erc721Factory, escrowAddress: contracts.escrow });

beforeAll(async () => {
  [chain, db] = await Promise.all([startChain(), openTestLedger()]);
  reader = openChain(configOf(chain));
  transactions = createTransactions({
    nodes: new Map([[8996, openNode(configOf(chain))]]),
    ...{ ledger: db.ledger, privateKey: chain.accounts.provider.privateKey },
  });
  escrow = createEscrow(transactions);
});

beforeEach(async () => {
  payer = new Wallet(Wallet.createRandom().privateKey, chain.provider);
  await fundWallet(chain.rpcUrl, payer.address);
  const { usdc: token, escrow: escrowAddress } = chain.contracts;
  terms = somePaymentTerms({ token, escrowAddress, payer: payer.address, payee: transactions.sender, amount: (3n * aMinute).toString() });
  await depositAndAuthorize(chain, payer, { token, payee: terms.payee, amount: 5n * aMinute, maxLockSeconds: 10_000 });
});

afterAll(async () => {
  reader?.close();
  transactions?.close();
  await Promise.all([chain?.close(), db?.close()]);
});

const fundsOf = async (): Promise<{ available: bigint; locked: bigint }> => {
  const answer = await reader.call(terms.escrowAddress, escrowAbi, 'getUserFunds', [payer.address, terms.token]);
  const { available, locked } = answer![0] as { available: bigint; locked: bigint };
  return { available, locked };
};

describe('the escrow contract', () => {
  test('locks once, claims once and gives the rest back', async () => {
    const jobId = aJobId();
    const locks = await Promise.all([escrow.lock(jobId, terms), escrow.lock(jobId, terms)]);
    expect(locks[0]).toEqual(locks[1]);
    expect(await fundsOf()).toEqual({ available: 2n * aMinute, locked: 3n * aMinute });
    const settled = await escrow.claim(jobId, terms, 61);
    expect(settled).toEqual({ claimTx: expect.stringMatching(/^0x/), cancelTx: null, cost: (2n * aMinute).toString() });
    expect(await escrow.claim(jobId, terms, 61)).toEqual(settled);
    expect(await fundsOf()).toEqual({ available: 3n * aMinute, locked: 0n });
  });

  test('a claimed job is not locked again, though the contract would', async () => {
    const jobId = aJobId();
    const lock = await escrow.lock(jobId, terms);
    await escrow.claim(jobId, terms, 1);
    expect(await escrow.lock(jobId, terms)).toEqual(lock);
    expect((await fundsOf()).locked).toBe(0n);
  });

  test('releases the whole lock at once, and only once', async () => {
    const jobId = aJobId();
    await escrow.lock(jobId, terms);
    const settled = await escrow.release(jobId, terms);
    expect(settled).toEqual({ claimTx: null, cancelTx: expect.stringMatching(/^0x/), cost: '0' });
    expect(await escrow.release(jobId, terms)).toEqual(settled);
    expect(await fundsOf()).toEqual({ available: 5n * aMinute, locked: 0n });
  });

  test('a job that was released before it was locked never will be', async () => {
    const jobId = aJobId();
    expect(await escrow.release(jobId, terms)).toEqual({ claimTx: null, cancelTx: null, cost: '0' });
    await expect(escrow.lock(jobId, terms)).rejects.toThrow('given up');
    expect((await fundsOf()).locked).toBe(0n);
  });

  test('what was claimed stays claimed', async () => {
    const jobId = aJobId();
    await escrow.lock(jobId, terms);
    const settled = await escrow.claim(jobId, terms, 1);
    expect(await escrow.release(jobId, terms)).toEqual(settled);
  });

  test('ocean-node: late claim booked as paid. A claim after the expiry is told as what it is', async () => {
    const jobId = aJobId();
    const short = { ...terms, lockSeconds: 100 };
    await escrow.lock(jobId, short);
    await chain.advance(200);
    expect(await escrow.claim(jobId, short, 60)).toEqual({ claimTx: null, cancelTx: expect.stringMatching(/^0x/), cost: '0' });
    expect(await fundsOf()).toEqual({ available: 5n * aMinute, locked: 0n });
  });

  test('never takes more than was locked', async () => {
    const jobId = aJobId();
    await escrow.lock(jobId, terms);
    expect(await escrow.claim(jobId, terms, 100_000)).toMatchObject({ cost: terms.amount });
  });

  test.each<[string, (of: PaymentTerms) => Partial<PaymentTerms>, RegExp]>([
    ['more than was deposited', () => ({ amount: '9000000' }), /does not have enough funds/],
    ['longer than was authorized', () => ({ lockSeconds: 20_000 }), /Expiry too high/],
    ['for somebody who authorized nothing', () => ({ payer: Wallet.createRandom().address }), /enough funds|auth/i],
  ])('refuses a lock %s', async (_name, change, reason) => {
    await expect(escrow.lock(aJobId(), { ...terms, ...change(terms) })).rejects.toMatchObject({ type: 'PaymentInvalid', message: reason });
  });

  test('knows a job by the number that clients see', () => {
    const jobId = aJobId();
    expect(escrowJobId(jobId)).toBe(BigInt(hashJobId(jobId)));
  });
});

describe('requireFunds', () => {
  test('agrees with the contract', async () => {
    const chains = new Map([[8996, reader]]);
    await expect(requireFunds(chains, terms)).resolves.toBeUndefined();
    const text = `User ${payer.address} does not have enough funds`;
    await expect(requireFunds(chains, { ...terms, amount: '5000001' })).rejects.toMatchObject({ type: 'PaymentInvalid', message: text });
    const unknown = Wallet.createRandom().address;
    const nothing = { ...terms, payer: unknown };
    await expect(requireFunds(chains, nothing)).rejects.toMatchObject({ message: `User ${unknown} does not have enough funds` });
    const stranger = { ...terms, payee: Wallet.createRandom().address };
    await expect(requireFunds(chains, stranger)).rejects.toMatchObject({ message: /^No escrow auths found for: chain=8996/ });
  });
});

describe('findShortage', () => {
  const authorization = { maxLockedAmount: 10n, currentLockedAmount: 4n, maxLockSeconds: 100n, maxLockCounts: 2n, currentLocks: 1n };
  const asked = somePaymentTerms({ amount: '6', lockSeconds: 100 });
  test.each<[string, EscrowStanding, string | null]>([
    ['just enough of everything', { available: 6n, authorization }, null],
    ['too little', { available: 5n, authorization }, `User ${asked.payer} does not have enough funds`],
    [
      'no authorization',
      { available: 6n, authorization: null },
      `No escrow auths found for: chain=8996, token=${asked.token}, payer=${asked.payer}, payee=${asked.payee}`,
    ],
    [
      'more locked already',
      { available: 6n, authorization: { ...authorization, currentLockedAmount: 5n } },
      'No valid escrow auths found(will go over limit)',
    ],
    [
      'too short a time',
      { available: 6n, authorization: { ...authorization, maxLockSeconds: 99n } },
      'No valid escrow auths found(maxLockSeconds too low)',
    ],
    [
      'as many locks as allowed',
      { available: 6n, authorization: { ...authorization, currentLocks: 2n } },
      'No valid escrow auths found(too many active locks)',
    ],
  ])('with %s', (_name, standing, expected) => {
    expect(findShortage(standing, asked)).toBe(expected);
  });
});

describe('termsOf', () => {
  const run = (over: object = {}) => ({
    ...{ means: { chainId: 8996, token: chain.contracts.usdc }, payer: payer.address, resources: { cpu: 2, ram: 1 } },
    ...{ runSeconds: 90, queueSeconds: 10 },
    ...over,
  });
  const priced = () =>
    anEnvironment({ minJobDuration: 30, fees: [{ chainId: 8996, feeToken: chain.contracts.usdc, prices: [{ id: 'cpu', price: 0.25 }] }] });
  const deps = () => ({ chains: new Map([[8996, reader]]), environmentAddress: transactions.sender });

  test('fixes price, lock and time in the decimals of the token', async () => {
    const fixed = await termsOf(deps(), priced(), run());
    expect(fixed).toEqual({
      ...{ chainId: 8996, token: chain.contracts.usdc, escrowAddress: chain.contracts.escrow, payee: transactions.sender },
      ...{ payer: payer.address, decimals: 6, perMinute: { units: '50', scale: 2 }, minSeconds: 30, amount: '1000000' },
      lockSeconds: 90 + 10 + 900 + 3_600 + 10 + 7_200 + 3_600,
    });
    expect([costUnder(fixed, 1), costUnder(fixed, 61), costUnder(fixed, 600)]).toEqual([500_000n, 1_000_000n, 1_000_000n]);
  });

  test.each<[string, object, string]>([
    ['another chain', { means: { chainId: 1, token: '0x' } }, 'Cannot handle payments on chainId: 1'],
    [
      'another token',
      { means: { chainId: 8996, token: '0xab' } },
      'This compute env does not accept payments on chain: 8996 using token 0xab',
    ],
  ])('refuses %s', async (_name, over, text) => {
    await expect(termsOf(deps(), priced(), run(over))).rejects.toMatchObject({ type: 'RequestInvalid', message: text });
  });
});
