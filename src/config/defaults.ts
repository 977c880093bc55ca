/**
 * Every default, as it would be written in the file. The schema, the documentation and `generate-config` read them here.
 *
 * Source: the reference server's manual for its keys; product decisions for ours.
 */
export const DEFAULTS = {
  listeners: [{ port: 8008, bind_addresses: ['127.0.0.1'], resources: [{ names: ['client', 'health', 'metrics'] }] }],
  bindAddresses: ['::', '0.0.0.0'],
  database: { name: 'sqlite3', args: { database: 'data/thalamus.db', busy_timeout: '1s' } },
  presence: {
    enabled: true,
    include_offline_users_on_sync: false,
    last_active_granularity: '1m',
    sync_online_timeout: '30s',
    idle_timeout: '5m',
    max_status_msg_bytes: 65_536,
  },
  rc: {
    presence: { per_second: 0.1, burst_count: 1 },
    login_address: { per_second: 0.003, burst_count: 5 },
    login_account: { per_second: 0.003, burst_count: 5 },
    login_failed_attempts: { per_second: 0.17, burst_count: 3 },
    registration: { per_second: 0.17, burst_count: 3 },
  },
  module_callbacks: { timeout: '2s', failures_before_rest: 5, rest: '30s', max_entries: 100_000 },
  max_request_size: '1M',
  log: { level: 'info', format: 'auto' },
  limits: {
    max_pending_updates_per_observer: 1000,
    max_routed_users_per_update: 100_000,
  },
  key_refresh_interval: '1d',
  federation: {
    client_timeout: '60s',
    max_short_retry_delay: '2s',
    max_long_retry_delay: '60s',
    max_short_retries: 3,
    max_long_retries: 10,
    destination_min_retry_interval: '10m',
    destination_retry_multiplier: 2,
    destination_max_retry_interval: '7d',
  },
  federation_rr_transactions_per_room_per_second: 50,
  redis: { host: 'localhost', port: 6379 },
} as const;
