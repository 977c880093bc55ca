import { describe, expect, it } from 'vitest';
import { createPrometheusMetrics } from './prometheus-metrics.ts';

const make = () => createPrometheusMetrics({ serverName: 'example.org', processMetrics: false });

describe('createPrometheusMetrics', () => {
  it('exposes counters with _total, once', async () => {
    const metrics = make();
    metrics.counter({ name: 'thalamus_a', help: 'A' }).inc();
    metrics.counter({ name: 'thalamus_b_total', help: 'B', labelNames: ['type'] }).inc({ type: 'x' }, 3);
    const { body, contentType } = await metrics.expose();
    expect(contentType).toContain('text/plain');
    expect(body).toContain('# TYPE thalamus_a_total counter\nthalamus_a_total 1\n');
    expect(body).toContain('thalamus_b_total{type="x"} 3\n');
    expect(body).not.toContain('_total_total');
  });

  it('gives the label server_name to metrics with names of the reference server, and to no others', async () => {
    const metrics = make();
    metrics
      .counter({ name: 'synapse_handler_presence_notify_reason', help: 'A', labelNames: ['reason'] })
      .inc({ reason: 'x' });
    metrics.gauge({ name: 'thalamus_users', help: 'B' }).set(7);
    const { body } = await metrics.expose();
    expect(body).toContain('synapse_handler_presence_notify_reason_total{reason="x",server_name="example.org"} 1\n');
    expect(body).toContain('thalamus_users 7\n');
  });

  it('reads a gauge when somebody scrapes', async () => {
    const metrics = make();
    let size = 1;
    metrics.gauge({ name: 'synapse_handlers_presence_wheel_timer_size', help: 'A', collect: () => size });
    size = 5;
    expect((await metrics.expose()).body).toContain('wheel_timer_size{server_name="example.org"} 5\n');
  });

  it('observes histograms', async () => {
    const metrics = make();
    const histogram = metrics.histogram({ name: 'thalamus_s', help: 'A', buckets: [1, 2], labelNames: ['m'] });
    histogram.observe(1.5, { m: 'x' });
    const { body } = await metrics.expose();
    expect(body).toContain('thalamus_s_bucket{le="1",m="x"} 0');
    expect(body).toContain('thalamus_s_bucket{le="2",m="x"} 1');
    expect(body).toContain('thalamus_s_count{m="x"} 1');
  });

  it('gives the same metric to whoever asks again, and refuses another kind', async () => {
    const metrics = make();
    metrics.counter({ name: 'thalamus_a', help: 'A' }).inc();
    metrics.counter({ name: 'thalamus_a_total', help: 'A' }).inc();
    expect((await metrics.expose()).body).toContain('thalamus_a_total 2\n');
    expect(() => metrics.gauge({ name: 'thalamus_a_total', help: 'A' })).toThrow('is a counter already');
  });

  it("has Node's own process metrics, and works twice in one process", async () => {
    const first = createPrometheusMetrics({ serverName: 'a.org' });
    const second = createPrometheusMetrics({ serverName: 'b.org' });
    for (const metrics of [first, second]) {
      const { body } = await metrics.expose();
      expect(body).toContain('process_cpu_seconds_total ');
      expect(body).toContain('nodejs_eventloop_lag_seconds ');
      expect(body).toContain('process_resident_memory_bytes ');
    }
  });
});
