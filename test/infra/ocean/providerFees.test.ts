import fc from 'fast-check';
import { addressOf, hashProviderFee, isProviderFeeSigned, parseProviderData, signProviderFee } from '../../../infra/ocean/providerFees.ts';

const key = '0xfd5c1ccea015b6d663618850824154a3b3fb2882c46cefb05b9a93fea8c3d215';
const terms = {
  environment: 'ocean-compute',
  timestamp: 1700000000.5,
  datatokenAddress: '0x12d1d7BaF6fE43805391097A63301ACfcF5f5720',
  serviceId: 'compute_1',
  token: '0xCfDdA22C9837aE76E0faA845354f33C62E03653a',
  amount: 1_200_000_000_000_000_000n,
  validUntil: 1_700_003_600,
};
const claimOf = (fee: ReturnType<typeof signProviderFee>) => ({
  ...fee,
  providerFeeAmount: BigInt(fee.providerFeeAmount),
  validUntil: BigInt(fee.validUntil),
});

describe('signProviderFee', () => {
  test('signs the published example', () => {
    const fee = signProviderFee(key, terms);
    expect(fee).toEqual({
      providerFeeAddress: '0xe08A1dAe983BC701D05E492DB80e0144f8f4b909',
      providerFeeToken: terms.token,
      providerFeeAmount: '1200000000000000000',
      providerData:
        '0x7b22656e7669726f6e6d656e74223a226f6365616e2d636f6d70757465222c2274696d657374616d70223a313730303030303030302e352c226474223a22307831326431643742614636664534333830353339313039374136333330314143666346356635373230222c226964223a22636f6d707574655f31227d',
      v: 28,
      r: '0x4a0906bc900ae8e2c8fd9509e6b085243305f763376682627d94ea52a43ba350',
      s: '0x1791bef549734c692a693e6d76d2190b323b559f5f908d2d77239fd077be0d2b',
      validUntil: 1_700_003_600,
    });
    expect(hashProviderFee(claimOf(fee))).toBe('0x3023303b526e198785c2e1a516fbab846ce9de4ec945efcccffedcd757b882fe');
  });

  test('every fee it signs is found signed, and no changed one is', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 200n }), fc.nat(), (amount, validUntil) => {
        const claim = claimOf(signProviderFee(key, { ...terms, amount, validUntil }));
        return (
          isProviderFeeSigned(claim) &&
          !isProviderFeeSigned({ ...claim, providerFeeAmount: amount + 1n }) &&
          !isProviderFeeSigned({ ...claim, validUntil: claim.validUntil + 1n }) &&
          !isProviderFeeSigned({ ...claim, providerFeeAddress: terms.token })
        );
      }),
      { numRuns: 10 },
    );
  });

  test('a hash with a leading zero byte is signed in full, or the contract would revert', () => {
    const example = claimOf(signProviderFee(key, terms));
    let amount = 0n;
    while (!hashProviderFee({ ...example, providerFeeAmount: amount }).startsWith('0x00')) amount += 1n;
    expect(isProviderFeeSigned(claimOf(signProviderFee(key, { ...terms, amount })))).toBe(true);
  });

  test('the zero address, which the contract lets pass with any signature, is not taken for signed', () => {
    const claim = claimOf(signProviderFee(key, terms));
    expect(isProviderFeeSigned({ ...claim, providerFeeAddress: `0x${'0'.repeat(40)}` })).toBe(false);
    expect(isProviderFeeSigned({ ...claim, r: `0x${'0'.repeat(64)}`, s: `0x${'0'.repeat(64)}` })).toBe(false);
  });
});

describe('parseProviderData', () => {
  test('reads what signProviderFee wrote', () => {
    expect(parseProviderData(signProviderFee(key, terms).providerData)).toEqual({
      ...{ environment: 'ocean-compute', timestamp: 1700000000.5, dt: terms.datatokenAddress, id: 'compute_1' },
    });
  });

  test('never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string({ unit: 'binary' })), (text) => {
        const parsed = parseProviderData(`0x${Buffer.from(text).toString('hex')}`);
        expect(parsed === null || typeof parsed.dt === 'string').toBe(true);
      }),
    );
    expect(parseProviderData('nonsense')).toBeNull();
  });
});

describe('addressOf', () => {
  test('is the checksummed address of the key', () => {
    expect(addressOf(key)).toBe('0xe08A1dAe983BC701D05E492DB80e0144f8f4b909');
  });
});
