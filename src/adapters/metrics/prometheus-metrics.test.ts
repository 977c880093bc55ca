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

  it('adds up buckets, keeps sets of labels apart, and has a metric without labels from the start', async () => {
    const metrics = make();
    metrics.histogram({ name: 'thalamus_empty', help: 'A', buckets: [1] });
    const histogram = metrics.histogram({ name: 'synapse_s', help: 'A', buckets: [1, 2], labelNames: ['m', 'n'] });
    const bound = histogram.of({ m: 'x', n: 'y' });
    for (const value of [0.5, 1, 2, 2.5]) bound.observe(value);
    histogram.observe(9, { m: 'xy', n: '' });
    histogram.observe(1, { n: 'y', m: 'x' });
    const { body } = await metrics.expose();
    expect(body).toContain('thalamus_empty_bucket{le="+Inf"} 0\nthalamus_empty_sum 0\nthalamus_empty_count 0\n');
    expect(body).toContain(
      [
        '# HELP synapse_s A',
        '# TYPE synapse_s histogram',
        'synapse_s_bucket{le="1",m="x",n="y",server_name="example.org"} 3',
        'synapse_s_bucket{le="2",m="x",n="y",server_name="example.org"} 4',
        'synapse_s_bucket{le="+Inf",m="x",n="y",server_name="example.org"} 5',
        'synapse_s_sum{m="x",n="y",server_name="example.org"} 7',
        'synapse_s_count{m="x",n="y",server_name="example.org"} 5',
      ].join('\n'),
    );
    expect(body).toContain('synapse_s_count{m="xy",n="",server_name="example.org"} 1\n');
  });

  it('counts the same for labels that are looked up once, and refuses what makes no sense', async () => {
    const metrics = make();
    const counter = metrics.counter({ name: 'thalamus_a', help: 'A', labelNames: ['m'] });
    const bound = counter.of({ m: 'x' });
    bound.inc();
    counter.inc({ m: 'x' }, 2);
    bound.inc(3);
    expect((await metrics.expose()).body).toContain('thalamus_a_total{m="x"} 6\n');
    expect(() => bound.inc(-1)).toThrow(RangeError);
    expect(() => counter.inc({ other: 'x' })).toThrow('no label other');
    const histogram = metrics.histogram({ name: 'thalamus_s', help: 'A', buckets: [1] });
    expect(() => histogram.observe(Number.NaN)).toThrow(RangeError);
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

describe('series', () => {
  it('equal labels are one series, whichever object says them, and in whatever order', async () => {
    const metrics = make();
    const counter = metrics.counter({ name: 'thalamus_c', help: 'A', labelNames: ['a', 'b'] });
    const labels = { a: '1', b: '2' };
    counter.inc(labels);
    counter.inc(labels, 2);
    counter.inc({ b: '2', a: '1' });
    counter.inc({ a: '1', b: '3' });
    const { body } = await metrics.expose();
    expect(body).toContain('thalamus_c_total{a="1",b="2"} 4\nthalamus_c_total{a="1",b="3"} 1\n');
    expect((await metrics.expose()).body).toBe(body);
  });

  it('a label that the metric does not have is refused', () => {
    const counter = make().counter({ name: 'thalamus_c', help: 'A', labelNames: ['a'] });
    expect(() => counter.inc({ other: 'x' })).toThrow('no label other');
  });

  it('buckets are cumulative and contain their bound; a histogram without labels is there from the start', async () => {
    const metrics = make();
    const histogram = metrics.histogram({ name: 'synapse_h', help: 'A', buckets: [1, 2] });
    expect((await metrics.expose()).body).toContain('synapse_h_count{server_name="example.org"} 0\n');
    for (const value of [0.5, 1, 2, 3.5]) histogram.observe(value);
    const { body } = await metrics.expose();
    expect(body).toContain(
      [
        '# TYPE synapse_h histogram',
        'synapse_h_bucket{le="1",server_name="example.org"} 2',
        'synapse_h_bucket{le="2",server_name="example.org"} 3',
        'synapse_h_bucket{le="+Inf",server_name="example.org"} 4',
        'synapse_h_sum{server_name="example.org"} 7',
        'synapse_h_count{server_name="example.org"} 4',
      ].join('\n'),
    );
  });
});
