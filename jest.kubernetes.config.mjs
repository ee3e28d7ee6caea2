// the end-to-end tests with pods of a real cluster, and what only a cluster can show; npm run test:kubernetes brings the cluster
import { availableParallelism } from 'node:os';
import base from './jest.config.mjs';

export default {
  ...base,
  // what pods are granted is theirs alone: on a node with two processors the pods of more files wait for each other
  maxWorkers: Math.min(base.maxWorkers, Math.max(2, availableParallelism() - 1)),
  testTimeout: 60_000,
  testMatch: ['<rootDir>/test/e2e/**/*.test.ts', '<rootDir>/test/kubernetes/**/*.test.ts'],
  // the demo shows one machine with a container engine
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/e2e/demo\\.test\\.ts$'],
};
