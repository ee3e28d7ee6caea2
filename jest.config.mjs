import { availableParallelism } from 'node:os';

const transform = {
  '^.+\\.ts$': ['@swc/jest', { jsc: { parser: { syntax: 'typescript' }, target: 'es2024' }, module: { type: 'es6' } }],
};

export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  // these need a cluster: npm run test:kubernetes
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/kubernetes/'],
  extensionsToTreatAsEsm: ['.ts'],
  transform,
  globalSetup: '<rootDir>/test/globalSetup.ts',
  globalTeardown: '<rootDir>/test/globalTeardown.ts',
  testTimeout: 30_000,
  // most files wait more than they compute, also on a machine with two processors
  maxWorkers: Math.max(3, availableParallelism() - 1),
  testSequencer: '<rootDir>/test/longestFirst.mjs',
};
