import { computeEnvironment } from '../../../infra/environments/environments.ts';
import { outputPolicies, outputPolicy, outputRulesOf } from '../../../infra/environments/outputPolicy.ts';
import { aDid, anAdmission, aSpec } from '../../support/builders.ts';

const policy = (over: object) => outputPolicy.parse(over);

describe('the rules of a job', () => {
  test('are those of its environment, and of operator and publisher for each of its datasets, and of nobody else', () => {
    const spec = aSpec();
    const did = spec.datasets[0]!.documentId!;
    const environment = computeEnvironment.parse({ id: 'small', outputPolicy: { maxFiles: 5 } });
    const byDid = outputPolicies.parse({ [did]: { maxFiles: 3 }, [aDid()]: { maxFiles: 1 } });
    const sources = { environment, byDid, declaredBy: () => policy({ maxFiles: 2 }) };
    const rules = outputRulesOf(anAdmission(spec).datasets, sources);
    expect(rules.map(({ by, maxFiles }) => [by, maxFiles])).toEqual([
      ['environment small', 5],
      [did, 3],
      [did, 2],
    ]);
  });

  test('are none where nobody made any', () => {
    const environment = computeEnvironment.parse({ id: 'small' });
    expect(outputRulesOf(anAdmission(aSpec()).datasets, { environment, byDid: {}, declaredBy: () => null })).toEqual([]);
    const raw = [{ did: null, folder: 'raw-0', chainId: null, serviceId: null, transferTxId: null, ddo: null }];
    expect(outputRulesOf(raw, { environment, byDid: {}, declaredBy: () => policy({ maxFiles: 0 }) })).toEqual([]);
  });
});

test.each([
  { maxBytes: -1 },
  { maxFiles: 1.5 },
  { fileTypes: ['exe'] },
  { fileTypes: 'csv' },
  { publishLog: 'no' },
  { redactLog: ['('] },
  { redactLog: ['x*'] },
  { redactLog: ['(?=look)'] },
  { other: 1 },
])('the policy %j is refused', (wrong) => {
  expect(outputPolicy.safeParse(wrong).success).toBe(false);
  expect(outputPolicies.safeParse({ 'did:op:1': {} }).success).toBe(false);
});
