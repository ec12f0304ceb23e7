// dlib_pairs RESNET.dat FIVE_POINTS.dat PAIRS.csv --root DIR
//
// How well dlib's own chain tells people apart, over pairs of pictures, in the
// same JSON as `face evaluate`, for the two to be held side by side.
//
// PAIRS.csv has a header a,b,same; a and b are paths below DIR, same is 1 (or
// true) if both show the same person, else 0 (or false). A side may be several
// pictures, with semicolons between them: the mean of their descriptors is
// taken. Each picture is embedded once, from its largest face.
//
// What is printed:
//
//   pairs       rows of the file
//   undetected  those of them with a side in which no face was found; they
//               are left out of everything below
//   threshold_at_fmr_1e-3, fnmr_at_fmr_1e-3, fnmr_at_fmr_1e-2, eer
//
// by this definition. A pair is accepted as the same person if its distance d < t.
//
//   FMR(t)   the share of different-person pairs with d < t
//   FNMR(t)  the share of same-person pairs with d >= t
//
// The threshold at an FMR of one in n is the largest t with FMR(t) <= 1/n: sort
// the N different-person distances; N / n of them, rounded down, may be accepted,
// so t is the next one, sorted[N / n], counting from zero. Below n such pairs
// that is the smallest: not one false match.
//
// The EER is taken at the t among all distances, and infinity, at which FMR(t)
// and FNMR(t) are nearest to each other (the smallest such t): the mean of the two.
//
// Without a pair of either kind left, all four are null.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <limits>
#include <map>
#include <sstream>
#include <vector>

#include "dlib_face.h"

namespace {

struct Pair {
    std::string a, b;
    bool same;
};

std::vector<Pair> read_pairs(const std::string& path)
{
    std::ifstream in(path);
    if (!in)
        throw std::runtime_error(path + ": can't be read");
    std::vector<Pair> pairs;
    std::string line;
    for (int number = 1; std::getline(in, line); ++number) {
        if (!line.empty() && line.back() == '\r')
            line.pop_back();
        const auto refuse = [&](const char* why) {
            throw std::runtime_error(path + ":" + std::to_string(number) + ": " + why);
        };
        if (number == 1) {
            if (line != "a,b,same")
                refuse("the first line must be a,b,same");
            continue;
        }
        if (line.empty())
            continue;
        std::istringstream fields(line);
        Pair pair;
        std::string same, more;
        if (!std::getline(fields, pair.a, ',') || !std::getline(fields, pair.b, ',')
            || !std::getline(fields, same, ',') || std::getline(fields, more))
            refuse("three fields are needed");
        if (same != "0" && same != "1" && same != "true" && same != "false")
            refuse("same must be 0 or 1");
        pair.same = same == "1" || same == "true";
        pairs.push_back(pair);
    }
    return pairs;
}

double distance(const Descriptor& a, const Descriptor& b)
{
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i)
        sum += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
    return std::sqrt(sum);
}

// Sorted distances of one kind of pair.
struct Sorted {
    std::vector<double> distances;

    double share_below(double t) const
    {
        const auto end = std::lower_bound(distances.begin(), distances.end(), t);
        return double(end - distances.begin()) / distances.size();
    }
};

struct Rates {
    Sorted same, different;

    double fmr(double t) const { return different.share_below(t); }
    double fnmr(double t) const { return 1 - same.share_below(t); }
    double threshold_at_one_in(size_t n) const { return different.distances[different.distances.size() / n]; }

    // How far the two kinds lie apart, in standard deviations.
    double apart() const
    {
        const auto moments = [](const std::vector<double>& all) {
            double mean = 0, squares = 0;
            for (double d : all)
                mean += d / all.size();
            for (double d : all)
                squares += (d - mean) * (d - mean) / all.size();
            return std::pair(mean, squares);
        };
        const auto [s, s2] = moments(same.distances);
        const auto [d, d2] = moments(different.distances);
        return (d - s) / std::sqrt((s2 + d2) / 2);
    }

    double equal() const
    {
        std::vector<double> candidates = same.distances;
        candidates.insert(candidates.end(), different.distances.begin(), different.distances.end());
        candidates.push_back(std::numeric_limits<double>::infinity());
        std::sort(candidates.begin(), candidates.end());
        double nearest = 2, rate = 0;
        for (double t : candidates) {
            const double apart = std::abs(fmr(t) - fnmr(t));
            if (apart < nearest) {
                nearest = apart;
                rate = (fmr(t) + fnmr(t)) / 2;
            }
        }
        return rate;
    }
};

} // namespace

int main(int argc, char** argv)
try {
    const std::vector<std::string> args(argv + 1, argv + argc);
    if (args.size() != 5 || args[3] != "--root") {
        std::cerr << "usage: dlib_pairs RESNET.dat FIVE_POINTS.dat PAIRS.csv --root DIR\n";
        return 64;
    }
    Network network(args[0]);
    Cutter cutter(args[1]);
    const std::vector<Pair> pairs = read_pairs(args[2]);

    std::map<std::string, std::optional<Descriptor>> known;
    const auto descriptor = [&](const std::string& name) -> const std::optional<Descriptor>& {
        const auto [at, is_new] = known.try_emplace(name);
        if (is_new) {
            if (const auto chip = cutter.largest_face(load_picture(args[4] + "/" + name)))
                at->second = network.describe(*chip);
            else
                std::cerr << name << ": no face found\n";
        }
        return at->second;
    };

    const auto side = [&](const std::string& names) -> std::optional<Descriptor> {
        std::istringstream pictures(names);
        std::string name;
        Descriptor mean{};
        size_t count = 0;
        while (std::getline(pictures, name, ';')) {
            if (const auto& one = descriptor(name)) {
                ++count;
                for (size_t i = 0; i < mean.size(); ++i)
                    mean[i] += (*one)[i];
            }
        }
        if (count == 0)
            return std::nullopt;
        for (float& number : mean)
            number /= float(count);
        return mean;
    };

    Rates rates;
    size_t undetected = 0;
    for (const Pair& pair : pairs) {
        const auto a = side(pair.a);
        const auto b = side(pair.b);
        if (a && b)
            (pair.same ? rates.same : rates.different).distances.push_back(distance(*a, *b));
        else
            ++undetected;
    }
    for (Sorted* kind : {&rates.same, &rates.different})
        std::sort(kind->distances.begin(), kind->distances.end());

    std::cout << "{\"pairs\":" << pairs.size() << ",\"undetected\":" << undetected;
    if (rates.same.distances.empty() || rates.different.distances.empty()) {
        std::cout << ",\"eer\":null,\"fnmr_at_fmr_1e-2\":null,\"fnmr_at_fmr_1e-3\":null"
                     ",\"threshold_at_fmr_1e-3\":null}\n";
        return 0;
    }
    std::cout << ",\"eer\":" << rates.equal()
              << ",\"fnmr_at_fmr_1e-2\":" << rates.fnmr(rates.threshold_at_one_in(100))
              << ",\"fnmr_at_fmr_1e-3\":" << rates.fnmr(rates.threshold_at_one_in(1000))
              << ",\"threshold_at_fmr_1e-3\":" << rates.threshold_at_one_in(1000)
              << ",\"same_pairs\":" << rates.same.distances.size()
              << ",\"farthest_same\":" << rates.same.distances.back()
              << ",\"nearest_different\":" << rates.different.distances.front()
              << ",\"d_prime\":" << rates.apart() << "}\n";
    return 0;
} catch (const std::exception& e) {
    std::cerr << "dlib_pairs: " << e.what() << "\n";
    return 65;
}
