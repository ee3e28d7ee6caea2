import { datatokenAbi } from '../../../infra/ocean/abi.ts';
import type { ChainReceipt } from '../../../infra/ocean/chains.ts';
import {
  findFee,
  judgeStart,
  readEvidence,
  reusedOrders,
  type OrderEvidence,
  type OrderStarted,
  type OrderTerms,
} from '../../../infra/ocean/orderRules.ts';
import { signProviderFee, type FeeTerms, type ProviderFeeClaim } from '../../../infra/ocean/providerFees.ts';

const key = '0xfd5c1ccea015b6d663618850824154a3b3fb2882c46cefb05b9a93fea8c3d215';
const address = (letter: string): string => `0x${letter.repeat(40)}`;
const [datatoken, requester, environment, stranger, factory] = ['1', '2', '3', '4', '5'].map(address) as [
  string,
  string,
  string,
  string,
  string,
];
const now = 1_800_000_000;

const terms = (over: Partial<OrderTerms> = {}): OrderTerms => ({
  datatokenAddress: datatoken,
  serviceIndex: 1,
  serviceId: 'Service',
  timeoutSeconds: 3_600,
  requester,
  environmentAddress: environment,
  environmentId: 'small',
  environmentOptional: false,
  providerAddresses: ['0xe08A1dAe983BC701D05E492DB80e0144f8f4b909'],
  ...over,
});
const order = (over: Partial<OrderStarted> = {}): OrderStarted => ({
  consumer: environment,
  payer: requester,
  amount: 10n ** 18n,
  serviceIndex: 1n,
  timestamp: now - 100,
  ...over,
});
const evidence = (over: Partial<OrderEvidence> = {}): OrderEvidence => ({
  ...{ from: requester, to: datatoken, started: [order()], reused: [], fees: [] },
  ...over,
});

describe('judgeStart', () => {
  test.each<[string, OrderEvidence, Partial<OrderTerms>]>([
    ['paid by the requester for the environment', evidence(), {}],
    ['paid by the requester for the requester', evidence({ started: [order({ consumer: requester })] }), {}],
    [
      'paid by somebody else for the requester',
      evidence({ from: stranger, started: [order({ consumer: requester, payer: stranger })] }),
      {},
    ],
    ['paid by a smart wallet that is the requester', evidence({ from: stranger, to: requester }), {}],
    ['paid through a contract that the requester called', evidence({ to: factory, started: [order({ payer: factory })] }), {}],
    ['for ever', evidence({ started: [order({ timestamp: 1 })] }), { timeoutSeconds: 0 }],
    ['in its last second', evidence({ started: [order({ timestamp: now - 3_600 })] }), {}],
    ['one good order among bad ones', evidence({ started: [order(), order({ serviceIndex: 0n })] }), {}],
  ])('an order is good: %s', (_name, given, over) => {
    expect(judgeStart(given, terms(over), now)).toBeNull();
  });

  test.each<[string, OrderEvidence, RegExp]>([
    ['no event', evidence({ started: [] }), /no order of this datatoken/],
    ['another service', evidence({ started: [order({ serviceIndex: 0n })] }), /another service/],
    ['too little', evidence({ started: [order({ amount: 10n ** 18n - 1n })] }), /amount/],
    [
      'paid by a stranger for the environment',
      evidence({ from: stranger, started: [order({ payer: stranger })] }),
      /not the consumer or payer/,
    ],
    [
      'paid by a contract that a stranger called',
      evidence({ from: stranger, to: factory, started: [order({ payer: factory })] }),
      /not the consumer or payer/,
    ],
    [
      'somebody’s smart wallet, carried by a bundler who is the requester',
      evidence({ to: factory, started: [order({ payer: stranger })] }),
      /not the consumer or payer/,
    ],
    ['for another consumer', evidence({ started: [order({ consumer: stranger })] }), /another consumer/],
    ['a second too late', evidence({ started: [order({ timestamp: now - 3_601 })] }), /expired/],
  ])('an order is refused: %s', (_name, given, problem) => {
    expect(judgeStart(given, terms(), now)).toMatch(problem);
  });
});

const fee = (over: Partial<FeeTerms> = {}, signer = key): ProviderFeeClaim => {
  const signed = signProviderFee(signer, {
    ...{ environment: 'small', datatokenAddress: datatoken, serviceId: 'service', token: stranger, amount: 5n },
    ...{ validUntil: now + 60, timestamp: now - 120, ...over },
  });
  return { ...signed, providerFeeAmount: BigInt(signed.providerFeeAmount), validUntil: BigInt(signed.validUntil) };
};

describe('findFee', () => {
  const withFees = (...fees: ProviderFeeClaim[]) => evidence({ fees });

  test.each<[string, ProviderFeeClaim, Partial<OrderTerms>]>([
    ['everything fits; ids compare without case', fee(), {}],
    ['no limit', fee({ validUntil: 0 }), {}],
    // ordered 20 s after the quote: 20 + 90 s of grace
    ['just within the grace for mining', fee({ validUntil: now - 109 }), {}],
    ['an algorithm’s fee without environment', fee({ environment: null }), { environmentOptional: true }],
  ])('a fee is good: %s', (_name, claim, over) => {
    expect(findFee(withFees(claim), terms(over), now)).toEqual({
      ...{ amount: 5n, token: claim.providerFeeToken, validUntil: Number(claim.validUntil), quotedAt: now - 120 },
    });
  });

  test.each<[string, ProviderFeeClaim, RegExp]>([
    ['another datatoken', fee({ datatokenAddress: stranger }), /another service/],
    ['another service', fee({ serviceId: 'other' }), /another service/],
    ['another environment', fee({ environment: 'large' }), /mismatch between ordered c2d environment/],
    ['a dataset’s fee without environment', fee({ environment: null }), /mismatch between ordered c2d environment/],
    ['another provider', fee({}, `0x${'11'.repeat(32)}`), /another provider/],
    ['the zero address, which the contract lets pass', { ...fee(), providerFeeAddress: address('0') }, /another provider/],
    ['changed after it was signed', { ...fee(), providerFeeAmount: 0n }, /signature/],
    ['used up', fee({ validUntil: now - 110 }), /exceeded/],
    ['no JSON', { ...fee(), providerData: '0x00' }, /another service/],
  ])('a fee is refused: %s', (_name, claim, problem) => {
    expect(findFee(withFees(claim), terms(), now)).toMatch(problem);
  });

  test('one good fee among bad ones is enough, and none is too little', () => {
    expect(findFee(withFees(fee({ serviceId: 'x' }), fee(), fee({ serviceId: 'y' })), terms(), now)).toMatchObject({ amount: 5n });
    expect(findFee(evidence(), terms(), now)).toMatch(/no provider fee/);
  });

  test('a chain whose clock runs a day ahead does not use up a fee', () => {
    const ahead = now + 86_400;
    expect(findFee(evidence({ started: [order({ timestamp: ahead })], fees: [fee()] }), terms(), ahead + 10)).toMatchObject({ amount: 5n });
  });
});

describe('readEvidence', () => {
  const receipt = (emitter: string, logs: readonly { topics: readonly string[]; data: string }[]): ChainReceipt => ({
    ...{ hash: '0x', from: requester, to: datatoken, succeeded: true, blockNumber: 1 },
    logs: logs.map((log, index) => ({ ...log, address: emitter, blockNumber: 1, transactionHash: '0x', index })),
  });
  const started = datatokenAbi.encodeEventLog('OrderStarted', [environment, requester, 10n ** 18n, 1, now, stranger, 1]);
  const reused = datatokenAbi.encodeEventLog('OrderReused', [`0x${'ab'.repeat(32)}`, requester, now, 1]);

  test('reads the events of the datatoken, in whatever case its address is written', () => {
    const read = readEvidence(receipt(datatoken.toUpperCase().replace('0X', '0x'), [started, reused]), datatoken);
    expect(read.started).toEqual([{ ...order(), timestamp: now }]);
    expect(reusedOrders(read, requester.toUpperCase().replace('0X', '0x'))).toEqual([`0x${'ab'.repeat(32)}`]);
    expect(reusedOrders(read, stranger)).toEqual([]);
  });

  test('perfect copies under another address prove nothing', () => {
    expect(readEvidence(receipt(stranger, [started, reused]), datatoken)).toEqual(evidence({ started: [] }));
  });

  test('a damaged log is passed over', () => {
    const broken = { ...started, data: '0x1234' };
    expect(readEvidence(receipt(datatoken, [broken, started]), datatoken).started).toHaveLength(1);
  });
});
