#!/usr/bin/perl
# Crypt::JWT as its documentation verifies a token: decode_jwt with kid_keys; over many questions.
use strict;
use warnings;

use Crypt::JWT qw(decode_jwt);
use HTTP::Tiny;
use JSON::PP;

sub fetch {
    my ($url) = @_;
    my $response = HTTP::Tiny->new(timeout => 10)->get($url);
    die "$url: $response->{status}\n" unless $response->{success};
    return decode_json($response->{content});
}

sub verify {
    my ($question) = @_;
    my ($uri, $algorithms) = ($question->{jwks_uri}, [$question->{algorithm}]);
    unless (defined $uri) {
        my $metadata = fetch("$question->{issuer}/.well-known/openid-configuration");
        ($uri, $algorithms) = @{$metadata}{qw(jwks_uri id_token_signing_alg_values_supported)};
    }
    decode_jwt(
        token        => $question->{token},
        kid_keys     => fetch($uri),
        accepted_alg => $algorithms,
        verify_iss   => sub { $_[0] eq $question->{issuer} },
        verify_aud   => sub { my $aud = shift; grep { $_ eq $question->{audience} } ref $aud ? @$aud : $aud },
        verify_exp   => 1,
    );
    return;
}

my @answers;
local $/;
for my $question (@{ decode_json(<STDIN>) }) {
    my $accepted = eval { verify($question); 1 };
    push @answers, { accepted => $accepted ? JSON::PP::true : JSON::PP::false, error => $accepted ? undef : substr("$@", 0, 300) };
}
print encode_json(\@answers), "\n";
