import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // A guard against hanging, not a measure of speed: a test may start servers while other tests do the same.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 120_000 } },
    pool: 'forks',
    // V8 13.6 aborts when it frees a wrapper of WebAssembly that it tiers up while another thread uses some too
    // (`WasmImportWrapperCache::Free`): no wrapper is called often enough for that.
    execArgv: ['--wasm-wrapper-tiering-budget=1000000000'],
    maxWorkers: 2,
  },
})
