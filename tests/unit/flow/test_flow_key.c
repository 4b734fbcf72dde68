/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tcpwitness/flow/flow_key.h"

static const struct flow_key_config plain = { .secret = { 1, 2 } };
static const struct flow_key_config with_vlan = { .secret = { 1, 2 }, .use_vlan = true };
static const struct flow_key_config with_tunnel = { .secret = { 1, 2 }, .use_tunnel = true };
static const struct flow_key_config with_both = { .secret = { 1, 2 }, .use_vlan = true, .use_tunnel = true };

static struct packet packet_between(const char *src, uint16_t src_port, const char *dst, uint16_t dst_port)
{
	struct packet packet = { .src_port = src_port, .dst_port = dst_port };

	assert_true(ip_addr_parse(src, &packet.src));
	assert_true(ip_addr_parse(dst, &packet.dst));
	return packet;
}

static struct packet reversed(const struct packet *packet)
{
	struct packet back = *packet;

	back.src = packet->dst;
	back.dst = packet->src;
	back.src_port = packet->dst_port;
	back.dst_port = packet->src_port;
	return back;
}

/* The key over memory that was not zero before, so that a byte left alone shows. */
static struct flow_key key_of(const struct flow_key_config *config, const struct packet *packet)
{
	struct flow_key key;

	memset(&key, 0xa5, sizeof(key));
	flow_key_from_packet(config, packet, &key);
	return key;
}

static void assert_one_connection(const struct packet *packet)
{
	struct packet back = reversed(packet);
	struct flow_key there;
	struct flow_key home;
	unsigned sender;

	memset(&there, 0xa5, sizeof(there));
	memset(&home, 0x5a, sizeof(home));
	sender = flow_key_from_packet(&plain, packet, &there);
	assert_int_equal(flow_key_from_packet(&plain, &back, &home), 1 - sender);
	assert_true(flow_key_equal(&there, &home));
	assert_int_equal(flow_key_hash(&plain, &there), flow_key_hash(&plain, &home));
	assert_memory_equal(there.addr[sender], packet->src.bytes, 16);
	assert_memory_equal(there.addr[1 - sender], packet->dst.bytes, 16);
	assert_int_equal(there.port[sender], packet->src_port);
	assert_int_equal(there.port[1 - sender], packet->dst_port);
}

static void test_both_directions_give_one_key(void **state)
{
	struct packet packets[] = {
		packet_between("10.0.0.1", 40000, "10.0.0.2", 80),
		packet_between("10.0.0.2", 80, "10.0.0.1", 40000),
		packet_between("10.0.0.1", 40000, "10.0.0.1", 80), /* same host: the ports decide */
		packet_between("127.0.0.1", 1, "127.0.0.1", 65535),
		packet_between("2001:db8::1", 443, "2001:db8::2", 443),
		packet_between("255.255.255.255", 0, "0.0.0.0", 65535),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++)
		assert_one_connection(&packets[i]);
}

static void test_lower_end_comes_first(void **state)
{
	struct packet packet = packet_between("10.0.0.2", 1, "10.0.0.1", 2);
	struct packet same_host = packet_between("10.0.0.1", 2, "10.0.0.1", 1);
	struct flow_key key;

	(void)state;
	/* The address goes before the port. */
	assert_int_equal(flow_key_from_packet(&plain, &packet, &key), 1);
	assert_int_equal(key.port[0], 2);
	assert_int_equal(key.addr[0][3], 1);
	assert_int_equal(flow_key_from_packet(&plain, &same_host, &key), 1);
	assert_int_equal(key.port[0], 1);
	/* Addresses compare as unsigned bytes. */
	packet = packet_between("200.0.0.1", 1, "100.0.0.1", 1);
	assert_int_equal(flow_key_from_packet(&plain, &packet, &key), 1);
}

static void test_ipv4_stands_in_the_first_four_bytes(void **state)
{
	struct packet packet = packet_between("1.2.3.4", 5, "6.7.8.9", 10);
	struct flow_key key = key_of(&plain, &packet);
	const uint8_t expected[16] = { 1, 2, 3, 4 };

	(void)state;
	assert_memory_equal(key.addr[0], expected, sizeof(expected));
	assert_int_equal(key.ip_version, 4);
	assert_int_equal(key.domain, 0);
}

static void test_versions_are_different_connections(void **state)
{
	struct packet v4 = packet_between("1.2.3.4", 5, "6.7.8.9", 10);
	struct packet v6 = packet_between("102:304::", 5, "607:809::", 10); /* the same bytes */
	struct flow_key key4 = key_of(&plain, &v4);
	struct flow_key key6 = key_of(&plain, &v6);

	(void)state;
	assert_memory_equal(key4.addr, key6.addr, sizeof(key4.addr));
	assert_false(flow_key_equal(&key4, &key6));
}

static void test_land_packet_gives_index_0(void **state)
{
	struct packet packet = packet_between("10.0.0.1", 80, "10.0.0.1", 80);
	struct flow_key key;

	(void)state;
	assert_int_equal(flow_key_from_packet(&plain, &packet, &key), 0);
	assert_memory_equal(key.addr[0], key.addr[1], 16);
	assert_int_equal(key.port[0], key.port[1]);
}

static void test_every_field_matters(void **state)
{
	struct packet packet = packet_between("10.0.0.1", 1000, "10.0.0.2", 80);
	struct packet others[] = {
		packet_between("10.0.0.3", 1000, "10.0.0.2", 80), packet_between("10.0.0.1", 1001, "10.0.0.2", 80),
		packet_between("10.0.0.1", 1000, "10.0.0.4", 80), packet_between("10.0.0.1", 1000, "10.0.0.2", 81),
		packet_between("10.0.0.1", 80, "10.0.0.2", 1000), /* same numbers at the other ends */
	};
	struct flow_key key = key_of(&plain, &packet);

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct flow_key other = key_of(&plain, &others[i]);
		assert_false(flow_key_equal(&key, &other));
		assert_int_not_equal(flow_key_hash(&plain, &key), flow_key_hash(&plain, &other));
	}
}

static void assert_bits_count(const struct flow_key *key, void *bytes, size_t n_bytes)
{
	const uint64_t hash = flow_key_hash(&plain, key);

	for (size_t bit = 0; bit < 8 * n_bytes; bit++) {
		((uint8_t *)bytes)[bit / 8] ^= (uint8_t)(1U << bit % 8);
		assert_true(flow_key_hash(&plain, key) != hash);
		((uint8_t *)bytes)[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
}

/* The hash leaves out what is zero in every key of its version, and nothing else. */
static void test_every_bit_of_the_key_is_hashed(void **state)
{
	struct packet v4 = packet_between("1.2.3.4", 5, "6.7.8.9", 10);
	struct packet v6 = packet_between("2001:db8::1", 5, "2001:db8::2", 10);
	struct flow_key keys[] = { key_of(&plain, &v4), key_of(&plain, &v6) };

	(void)state;
	for (uint64_t domain = 0; domain < 2; domain++) {
		for (size_t i = 0; i < 2; i++) {
			keys[i].domain = domain;
			assert_bits_count(&keys[i], keys[i].addr[0], i == 0 ? 4 : 16);
			assert_bits_count(&keys[i], keys[i].addr[1], i == 0 ? 4 : 16);
			assert_bits_count(&keys[i], keys[i].port, sizeof(keys[i].port));
			assert_bits_count(&keys[i], &keys[i].domain, sizeof(keys[i].domain));
		}
	}
}

/* Keys of different kinds are told apart by the length of what is hashed, whatever stands in it. */
static void test_kinds_of_keys_have_hashes_of_their_own(void **state)
{
	struct packet v4 = packet_between("0.0.0.0", 0, "0.0.0.0", 0);
	struct packet v6 = packet_between("::", 0, "::", 0);
	struct flow_key key4 = key_of(&plain, &v4);
	struct flow_key key6 = key_of(&plain, &v6);
	const uint8_t nothing[44] = { 0 };

	(void)state;
	assert_true(flow_key_hash(&plain, &key4) == siphash13(&plain.secret, nothing, 12));
	assert_true(flow_key_hash(&plain, &key6) == siphash13(&plain.secret, nothing, 36));
	assert_true(flow_key_hash(&plain, &key4) != flow_key_hash(&plain, &key6));
}

static uint64_t domain_with(const struct flow_key_config *config, uint8_t n_vlans, uint16_t outer, uint16_t inner)
{
	struct packet packet = packet_between("10.0.0.1", 1, "10.0.0.2", 2);

	packet.n_vlans = n_vlans;
	packet.vlans[0] = outer;
	packet.vlans[1] = inner;
	return key_of(config, &packet).domain;
}

static void test_vlans_are_a_domain_only_when_configured(void **state)
{
	(void)state;
	assert_int_equal(domain_with(&plain, 1, 10, 0), 0);
	assert_int_equal(domain_with(&with_tunnel, 1, 10, 0), 0);
	assert_int_equal(domain_with(&with_vlan, 0, 10, 0), 0);
	assert_int_not_equal(domain_with(&with_vlan, 1, 10, 0), 0);
	/* Id 0 is a priority, no VLAN; both count and order of the others matter. */
	assert_int_equal(domain_with(&with_vlan, 1, 0, 0), 0);
	assert_int_equal(domain_with(&with_vlan, 2, 0, 10), domain_with(&with_vlan, 1, 10, 0));
	assert_int_not_equal(domain_with(&with_vlan, 1, 10, 0), domain_with(&with_vlan, 2, 10, 10));
	assert_int_not_equal(domain_with(&with_vlan, 2, 10, 20), domain_with(&with_vlan, 2, 20, 10));
	assert_int_not_equal(domain_with(&with_vlan, 1, 0x0100, 0), domain_with(&with_vlan, 1, 0x0001, 0));
	/* What stands behind the count does not. */
	assert_int_equal(domain_with(&with_vlan, 1, 10, 20), domain_with(&with_vlan, 1, 10, 30));
}

static uint64_t domain_in(const struct flow_key_config *config, uint8_t n_tunnels, uint8_t kind, uint32_t network)
{
	struct packet packet = packet_between("10.0.0.1", 1, "10.0.0.2", 2);

	packet.n_tunnels = n_tunnels;
	packet.tunnels[0] = kind;
	packet.tunnel_network = network;
	return key_of(config, &packet).domain;
}

static void test_tunnels_are_a_domain_only_when_configured(void **state)
{
	(void)state;
	assert_int_equal(domain_in(&plain, 1, TUNNEL_VXLAN, 5), 0);
	assert_int_equal(domain_in(&with_vlan, 1, TUNNEL_VXLAN, 5), 0);
	assert_int_equal(domain_in(&with_tunnel, 0, TUNNEL_VXLAN, 5), 0);
	assert_int_not_equal(domain_in(&with_tunnel, 1, TUNNEL_GRE, 0), 0);
	assert_int_not_equal(domain_in(&with_tunnel, 1, TUNNEL_VXLAN, 5), domain_in(&with_tunnel, 1, TUNNEL_GENEVE, 5));
	assert_int_not_equal(domain_in(&with_tunnel, 1, TUNNEL_VXLAN, 5), domain_in(&with_tunnel, 1, TUNNEL_VXLAN, 6));
	assert_int_not_equal(domain_in(&with_tunnel, 1, TUNNEL_VXLAN, 1),
			     domain_in(&with_tunnel, 1, TUNNEL_VXLAN, 0x01000001));
}

static void test_vlan_cannot_pass_for_a_tunnel(void **state)
{
	struct packet vlan = packet_between("10.0.0.1", 1, "10.0.0.2", 2);
	struct packet tunnel = vlan;

	(void)state;
	vlan.n_vlans = 1;
	tunnel.n_tunnels = 1;
	assert_int_not_equal(key_of(&with_both, &vlan).domain, key_of(&with_both, &tunnel).domain);
	/* An empty list hashes as a list that is not used. */
	assert_int_equal(key_of(&with_both, &vlan).domain, key_of(&with_vlan, &vlan).domain);
	assert_int_equal(key_of(&with_both, &tunnel).domain, key_of(&with_tunnel, &tunnel).domain);
}

static void test_secret_decides_hash_and_domain(void **state)
{
	const struct flow_key_config other = { .secret = { 1, 3 }, .use_vlan = true };
	struct packet packet = packet_between("10.0.0.1", 1, "10.0.0.2", 2);
	struct flow_key key = key_of(&with_vlan, &packet);

	(void)state;
	assert_int_not_equal(flow_key_hash(&with_vlan, &key), flow_key_hash(&other, &key));
	assert_int_not_equal(domain_with(&with_vlan, 1, 10, 0), domain_with(&other, 1, 10, 0));
}

static void assert_named_alike(const struct flow_key_config *config, const struct packet *packet)
{
	const struct flow_key key = key_of(config, packet);
	struct flow_key named;
	uint64_t hash = 0;

	memset(&named, 0x5a, sizeof(named));
	const unsigned sender = flow_key_with_hash(config, packet, &named, &hash);
	assert_memory_equal(&named, &key, sizeof(key));
	assert_true(hash == flow_key_hash(config, &key));
	assert_memory_equal(named.addr[sender], packet->src.bytes, sizeof(named.addr[0]));
	assert_int_equal(named.port[sender], packet->src_port);
	assert_int_equal(named.port[1 - sender], packet->dst_port);
}

/* In each order of addresses and of ports, inside a VLAN or a tunnel and outside. */
static void test_key_and_hash_at_once_are_those_one_by_one(void **state)
{
	const char *addrs[][2] = {
		{ "10.0.0.1", "192.168.255.2" },  { "200.1.2.3", "10.0.0.2" },     { "10.0.0.1", "10.0.0.1" },
		{ "2001:db8::1", "2001:db8::2" }, { "fe80::ff:1", "2001:db8::2" }, { "::1:2", "::1:2" },
	};
	const uint16_t ports[][2] = { { 1, 65535 }, { 40000, 443 }, { 80, 80 } };

	(void)state;
	for (size_t i = 0; i < 6 * 3 * 4; i++) {
		const uint16_t *port = ports[i / 6 % 3];
		struct packet packet = packet_between(addrs[i % 6][0], port[0], addrs[i % 6][1], port[1]);
		packet.vlans[0] = 12;
		packet.n_vlans = (uint8_t)(i / 18 & 1);
		packet.tunnels[0] = TUNNEL_GRE;
		packet.n_tunnels = (uint8_t)(i / 36);
		assert_named_alike(&plain, &packet);
		assert_named_alike(&with_both, &packet);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_directions_give_one_key),
		cmocka_unit_test(test_lower_end_comes_first),
		cmocka_unit_test(test_ipv4_stands_in_the_first_four_bytes),
		cmocka_unit_test(test_versions_are_different_connections),
		cmocka_unit_test(test_land_packet_gives_index_0),
		cmocka_unit_test(test_every_field_matters),
		cmocka_unit_test(test_every_bit_of_the_key_is_hashed),
		cmocka_unit_test(test_kinds_of_keys_have_hashes_of_their_own),
		cmocka_unit_test(test_vlans_are_a_domain_only_when_configured),
		cmocka_unit_test(test_tunnels_are_a_domain_only_when_configured),
		cmocka_unit_test(test_vlan_cannot_pass_for_a_tunnel),
		cmocka_unit_test(test_secret_decides_hash_and_domain),
		cmocka_unit_test(test_key_and_hash_at_once_are_those_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
